"""The whole audio flow, on small data, under both drivers: MLflow's content, and a second run that computes nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.audio_project import AudioProject
from tests.browser import needs_chromium, open_page
from tests.engine.mlflow_store import send_rest, use_tracker
from tests.engine.prefect_api import ask, find_flow_run
from tests.engine.report_page import look_at
from tests.engine.try_page import put, read_shares, send, serve_page

# One worker runs them all, since each would compute the flow anew.
pytestmark = pytest.mark.xdist_group("audio flow")
LEARNING = {"audio-lr-melnet-fold5", "audio-fit-melnet-fold5", "audio-evaluate", "audio-audit", "audio-export"}


@pytest.fixture(scope="module")
def project(audio_run: AudioProject) -> AudioProject:
    """A checkout that ran the whole flow once under Prefect, in holdout mode with one short training."""
    return audio_run


def read_runs(project: AudioProject) -> list:  # type: ignore[type-arg]
    """Return the runs in the project's MLflow store, newest first."""
    from mlflow import MlflowClient

    send_rest(project.root)
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    experiment = client.get_experiment_by_name("audio")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"]))


def list_artifacts(project: AudioProject, run_id: str, folder: str | None = None) -> set[str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    return {Path(found.path).name for found in client.list_artifacts(run_id, folder)}


def test_each_stage_that_learns_has_a_run_below_the_flows(project: AudioProject) -> None:
    runs = {run.info.run_name: run for run in read_runs(project)}
    assert set(runs) == LEARNING | {"audio"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent = runs["audio"].info.run_id
    assert {runs[name].data.tags["mlflow.parentRunId"] for name in LEARNING} == {parent}


def test_a_training_records_params_figures_weights_and_what_it_read(project: AudioProject) -> None:
    runs = {run.info.run_name: run for run in read_runs(project)}
    fit = runs["audio-fit-melnet-fold5"]
    assert fit.data.params["members.melnet.epochs"] == "2"
    lock = (project.root / "dvc.lock").read_text()
    assert fit.data.tags["output.md5"] in lock
    assert fit.data.tags["input.md5.data/audio/spectrograms-shard-0"] in lock
    assert {"state_dict.pt", "history.png", "history.csv"} <= list_artifacts(project, fit.info.run_id)
    assert any("loss" in name for name in fit.data.metrics)
    assert any(name.startswith("system/") for name in runs["audio"].data.metrics)
    assert {"curve.png", "curve.csv"} <= list_artifacts(project, runs["audio-lr-melnet-fold5"].info.run_id)


def test_the_flows_run_keeps_what_defines_it(project: AudioProject) -> None:
    (parent,) = [run for run in read_runs(project) if run.info.run_name == "audio"]
    assert {"dvc.yaml", "dvc.lock", "params"} <= list_artifacts(project, parent.info.run_id, "pipeline")
    assert "git.commit" in parent.data.tags
    figures = json.loads((project.root / "data/audio/evaluate/metrics.json").read_text())
    assert parent.data.metrics["ensemble.accuracy"] == pytest.approx(figures["ensemble"]["accuracy"])


def test_the_model_is_registered_as_champion_and_answers_as_predict_does(
    project: AudioProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    from tasks.audio.predict import open_model

    use_tracker(monkeypatch, f"sqlite:///{project.root}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/audio@champion")
    served = open_model(project.root / "data/audio/export/model.pt")
    request = served.make_request()
    assert model.metadata.signature is not None
    assert model.predict(request).equals(served.predict(request))
    version = mlflow.MlflowClient().get_model_version_by_alias("audio", "champion")
    lock = (project.root / "dvc.lock").read_text()
    for stage in ("audio-download", "audio-clean", "audio-folds"):
        assert version.tags[f"data.md5.{stage}"] in lock
    figures = json.loads((project.root / "data/audio/evaluate/metrics.json").read_text())["ensemble"]
    assert float(version.tags["figure.accuracy"]) == pytest.approx(figures["accuracy"], abs=1e-5)
    assert "audio version 1 becomes champion: there was no champion yet" in project.said


@needs_chromium
def test_the_report_shows_figures_and_sounds_and_needs_nothing_else(project: AudioProject) -> None:
    page = project.root / ".trifold/reports/audio/report.html"
    assert f"report: {page.relative_to(project.root)}" in project.said
    seen, (tiles, notes, last) = look_at(
        page, "#overview .tiles dd", ".note", "#stages tbody tr:last-child td:first-child"
    )
    assert seen["sections"][0] == "Overview" and seen["sections"][-1] == "Examples"
    assert seen["charts"] >= 8 and seen["sounds"] >= 5 and seen["pictures"] == seen["sounds"]
    figures = json.loads((project.root / "data/audio/evaluate/metrics.json").read_text())["ensemble"]
    assert tiles[0] == f"{figures['accuracy_mean']:.1%}"
    assert any("audio version 1 becomes champion" in note for note in notes), notes
    assert any("Bottleneck of training" in note and "of the time" in note for note in notes), notes
    assert last == ["export"]
    assert page.stat().st_size < 2_000_000


def test_the_report_is_in_mlflow_and_in_prefect(project: AudioProject) -> None:
    (parent,) = [run for run in read_runs(project) if run.info.run_name == "audio"]
    assert "report.html" in list_artifacts(project, parent.info.run_id)
    wanted = {"flow_run_id": {"any_": [find_flow_run(project.said)]}}
    (told,) = ask(project.root / ".trifold/servers.json", "artifacts/filter", artifacts=wanted)
    assert told["key"] == "audio-report"
    assert str(project.root / ".trifold/reports/audio/report.html") in told["data"]
    assert "audio version 1 becomes champion" in told["data"]


def test_a_second_run_computes_nothing_and_links_the_first(project: AudioProject) -> None:
    before = {run.info.run_id for run in read_runs(project)}
    done = project.call("python", "-m", "flows", "run", "audio").check()
    assert "ran" not in [word for line in done.output.splitlines() if "│" in line for word in line.split()]
    (new,) = [run for run in read_runs(project) if run.info.run_id not in before]
    for stage in LEARNING:
        assert new.data.tags[f"cached.{stage}"] in before
    # Its report still tells what the trainings cost, and what the registry said of the model.
    assert "report.html" in list_artifacts(project, new.info.run_id)
    page = (project.root / ".trifold/reports/audio/report.html").read_text()
    assert "audio version 1 becomes champion" in page
    assert "Bottleneck of training" in page
    last = ("audio-export", "audio-evaluate", "audio-audit")
    status = project.call("python", "-m", "dvc", "status", "--with-deps", *last).check().output
    assert "up to date" in status, status


def test_a_cached_export_is_registered_where_no_run_did_so(project: AudioProject, tmp_path: Path) -> None:
    elsewhere = project.copy(tmp_path / "elsewhere")
    for path in (*elsewhere.root.glob("mlflow.db*"), elsewhere.root / ".trifold/ledger", elsewhere.root / "mlruns"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    done = elsewhere.call("python", "-m", "flows", "run", "audio").check()
    assert "audio version 1 becomes champion" in done.output
    assert "│ ran" not in done.output
    assert "becomes" not in elsewhere.call("python", "-m", "flows", "run", "audio").check().output


def test_a_report_that_cannot_be_made_fails_no_run(project: AudioProject) -> None:
    module = project.root / "flows/report/audio.py"
    sound = module.read_text()
    module.write_text("raise LookupError('no such\\nfigure')\n")
    done = project.call("python", "-m", "flows", "run", "audio").check()
    module.write_text(sound)
    assert "the report could not be written: LookupError: no such figure\n" in done.output
    assert "\nreport: " not in done.output and "Traceback" not in done.output


def test_predict_names_classes(project: AudioProject) -> None:
    sound = project.extract("audio", "1-*-0.wav")
    done = project.call("python", "-m", "flows", "predict", "audio", str(sound)).check()
    assert "%" in done.output
    bad = project.root / "no-sound.wav"
    bad.write_text("nothing to hear")
    refused = project.call("python", "-m", "flows", "predict", "audio", str(bad))
    assert refused.code == 1
    assert "no-sound.wav" in refused.output
    assert "Traceback" not in refused.output


@needs_chromium
def test_the_page_to_try_it_says_what_predict_says_and_refuses_alike(project: AudioProject, tmp_path: Path) -> None:
    from tasks.audio.predict import open_model
    from tasks.learning.answers import ask_model

    sound = project.extract("audio", "1-*-0.wav")
    (answer,) = ask_model(open_model(project.root / "data/audio/export/model.pt"), [sound], top=100)
    bad = tmp_path / "no-sound.wav"
    bad.write_text("nothing to hear")
    refused = project.call("python", "-m", "flows", "predict", "audio", str(bad)).output
    with serve_page(project.root, "audio", tmp_path / "page.log") as address, open_page(address) as opened:
        put(opened, sound)
        send(opened)
        assert read_shares(opened, "champion") == [f"{label} {share:.1%}" for label, share in answer.classes]
        map_px = opened.page.locator(".contender img").evaluate("image => image.naturalWidth * image.naturalHeight")
        assert map_px > 10_000
        opened.page.reload()
        put(opened, bad)
        send(opened)
        told = opened.page.locator(".refusal").text_content()
        opened.check_quiet()
    for text in (refused, told):
        assert "no-sound.wav cannot be read as a sound" in " ".join(text.split())


def test_an_edited_docstring_computes_no_stage_but_the_first(project: AudioProject) -> None:
    # The training loop, and the module of a task function.
    before = {name: (project.root / name).read_text() for name in ("tasks/learning/loop.py", "tasks/audio/clean.py")}
    try:
        reword_docstrings(project.root, before, "Reworded.")
        repro = project.call("python", "-m", "dvc", "repro", "audio-evaluate", "audio-export").check().output
        assert [line for line in repro.splitlines() if line.startswith("Running stage")] == ["Running stage 'code':"]
        reword_docstrings(project.root, before, "Reworded again.")
        run = project.call("python", "-m", "flows", "run", "audio").check().output
        verdicts = {word for line in run.splitlines() if "│" in line for word in line.split()}
        assert "cached" in verdicts and not verdicts & {"ran", "restored"}, run
        project.call("python", "-m", "flows", "graph", "--check").check()
    finally:
        for name, text in before.items():
            (project.root / name).write_text(text)


def reword_docstrings(root: Path, names: Iterable[str], text: str) -> None:
    """Put a sentence before every docstring of some files."""
    for name in names:
        path = root / name
        reworded, count = re.subn(r'^( *""")(?=\S)', rf"\g<1>{text} ", path.read_text(), flags=re.MULTILINE)
        assert count > 2, name
        path.write_text(reworded)
