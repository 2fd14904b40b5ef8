"""The whole images flow, on small data: all sizes under Prefect, after which `dvc repro` computes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from flows.engine.graph.dvc_yaml import trace_flow
from flows.engine.graph.params import load_params
from flows.engine.graph.stage import Role
from flows.images import ImagesParams
from tasks.tables import read_rows
from tests.browser import needs_chromium
from tests.engine.mlflow_store import send_rest
from tests.engine.report_page import look_at
from tests.project import Project
from tests.warm import WarmPython

# One worker runs them all, since each would compute the flow anew.
pytestmark = pytest.mark.xdist_group("images flow")
SIZES = ("small", "medium", "large")
SMALL = {
    "compute.threads": 1,  # the tests beside it want a core too
    "sample.pictures_per_class": 20,
    "members.compactnet.width": 4,
    **{f"sizes.{size}.epochs": 1 for size in SIZES},
    **{f"sizes.{size}.batch_size": 8 for size in SIZES},
}


@pytest.fixture(scope="module")
def project(warm: WarmPython, server_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A checkout that ran the whole flow once under Prefect, with one epoch at each size."""
    made = Project.check_out(tmp_path_factory.mktemp("images") / "whole", warm)
    made.make_repository()
    (made.root / ".trifold").mkdir(exist_ok=True)
    shutil.copy(server_state, made.root / ".trifold/servers.json")
    changes = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    made.call("python", "-m", "flows", "run", "images", *changes).check()
    return made


def test_each_size_goes_on_from_the_one_before(project: Project) -> None:
    names = [f"images-fit-compactnet-{size}-fold5" for size in SIZES]
    graph = (project.root / "dvc.yaml").read_text()
    for name, before in zip(names[1:], names, strict=False):
        stage = graph[graph.index(f"\n  {name}:") :]
        assert f"data/images/{before.removeprefix('images-')}\n" in stage[: stage.index("outs:")]


def test_the_rate_found_at_the_first_size_serves_all_sizes() -> None:
    stages = trace_flow("images", load_params("images", ImagesParams))
    (test,) = [stage for stage in stages if stage.role is Role.RANGE_TEST]
    fits = [stage for stage in stages if stage.role is Role.FIT]
    assert test.arguments["size"] == fits[0].arguments["size"]
    assert len(fits) == len(SIZES) and all(test.artifact in stage.inputs for stage in fits)


def test_dvc_computes_nothing_after_prefect(project: Project) -> None:
    before = (project.root / "dvc.lock").read_text()
    last = ("images-errors", "images-audit", "images-evaluate", "images-export")
    done = project.call("python", "-m", "dvc", "repro", *last).check()
    assert "Running stage" not in done.output
    assert (project.root / "dvc.lock").read_text() == before
    status = project.call("python", "-m", "dvc", "status", "--with-deps", "images-errors", "images-export").check()
    assert "up to date" in status.output


def test_the_drawings_are_in_mlflow(project: Project) -> None:
    from mlflow import MlflowClient

    send_rest(project.root)
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    experiment = client.get_experiment_by_name("images")
    assert experiment is not None
    runs = {run.info.run_name: run.info.run_id for run in client.search_runs([experiment.experiment_id])}
    drawings = {Path(found.path).name for found in client.list_artifacts(runs["images-errors"])}
    assert {"worst.png", "uncertain.png", "maps.png", "learning_curves.png"} <= drawings
    assert "activations.png" in {
        Path(found.path).name for found in client.list_artifacts(runs["images-fit-compactnet-large-fold5"])
    }


@needs_chromium
def test_the_report_shows_sizes_errors_and_maps(project: Project) -> None:
    report = project.root / ".trifold/reports/images/report.html"
    seen, (captions, errors) = look_at(report, "figcaption", ".gallery .wrong")
    assert seen["sections"] == [
        *("Overview", "Stages", "Machine", "Data", "Training", "Results", "Ensemble", "Examples"),
    ]
    titles = [text.split("  ")[0] for text in captions]
    wanted = ("Accuracy by picture size", "Loss", "Confusion matrix", "Activation maps", "Class balance")
    for title in (*wanted, "Most doubtful labels"):
        assert any(found.startswith(title) for found in titles), titles
    wrong = sum(row["actual"] != row["predicted"] for row in read_rows(project.root / "data/images/errors/errors.csv"))
    doubts = read_rows(project.root / "data/images/audit/audit.csv")[:21]
    assert len(errors) == min(wrong, 21) + sum(row["label"] != row["suggested"] for row in doubts)


def test_figures_and_predictions_are_there_for_every_size(project: Project) -> None:
    figures = json.loads((project.root / "data/images/evaluate/metrics.json").read_text())
    assert set(figures["members"]) == {f"compactnet-{size}" for size in SIZES}
    rows = read_rows(project.root / "data/images/clean/examples.csv")[:3]
    pictures = [str(project.extract("images", row["file"])) for row in rows]
    told = project.call("python", "-m", "flows", "predict", "images", *pictures, "--latest").check().output
    assert told.count("%") == 9


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("sizes.medium.pixels=16", "sizes decrease: medium with 16 px follows small with 64 px"),
        ("members.compactnet.sizes=huge", "members.compactnet.sizes is 'huge'; it must be all or one of small"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(project: Project, change: str, told: str) -> None:
    before = (project.root / "params/images.yaml").read_text()
    refused = project.call("python", "-m", "flows", "run", "images", "--set", change)
    assert refused.code == 1
    assert told in " ".join(refused.output.split())
    assert "Traceback" not in refused.output
    assert (project.root / "params/images.yaml").read_text() == before
