"""A version becomes champion by beating the champion on the same test data, or by a user's command."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from flows.commands import doctor
from flows.commands.app import app
from flows.engine.errors import EngineError
from flows.engine.registry.versions import Registry
from flows.engine.tags import DATA_MD5, METRIC, OUTPUT_MD5, STAGE
from flows.engine.tracking import sender
from flows.engine.tracking.journal import count_waiting
from flows.engine.tracking.mlflow_store import open_existing_store
from flows.engine.tracking.outbox import EVENTS, append_event, take_messages
from flows.engine.tracking.relocation import follow_move
from tests.engine.mlflow_store import REPOSITORY, begin, open_client, read_runs, serve_silence, use_tracker
from tests.engine.versions import N_SAMPLES, TEST_DATA, export, make_version


def read_aliases(root: Path) -> Mapping[str, str]:
    """Return the version that each alias of the model stands for."""
    aliases = open_client(root).get_registered_model("audio").aliases
    return {alias: str(version) for alias, version in aliases.items()}


def register(root: Path, *rights: int, tags: dict[str, str] = TEST_DATA) -> list[str]:
    """Register versions one after the other; return the messages for the user."""
    for right in rights:
        export(root, f"flow{len(list(root.glob('flow*')))}", right, tags)
        sender.follow_journals(0)
    return take_messages(root)


CASES = {
    "the first": ([150], {"champion": "1"}, "becomes champion: there was no champion yet"),
    "clearly better": ([150, 180], {"champion": "2"}, "+15.0 points (95 % interval +10.0 to +20.0): better"),
    "equal": ([150, 150], {"champion": "1", "challenger": "2"}, "+0.0 points (95 % interval +0.0 to +0.0): within"),
    "better within the noise": ([150, 152], {"champion": "1", "challenger": "2"}, "within the noise"),
    "worse": ([180, 150], {"champion": "1", "challenger": "2"}, "-15.0 points (95 % interval -20.0 to -10.0): worse"),
    "the newest challenger": ([180, 150, 160], {"champion": "1", "challenger": "3"}, "compared with champion 1"),
    "better than the last champion": ([120, 150, 180], {"champion": "3"}, "compared with champion 2"),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_beats_the_champion_becomes_champion(root: Path, case: str) -> None:
    rights, aliases, reason = CASES[case]
    told = register(root, *rights)
    assert read_aliases(root) == aliases
    assert reason in told[-1]
    assert not take_messages(root), "it is told once"


def test_the_verdict_names_the_metric_and_stands_on_the_version_the_export_and_the_flows_run(root: Path) -> None:
    (_, decision) = register(root, 150, 180, tags=TEST_DATA | {METRIC: "macro_f1"})
    assert "compared with champion 1, macro F1 90.0% against 75.0% on the same 200 examples, +15.0 points" in decision
    version = open_client(root).get_model_version("audio", "2")
    assert version.description == version.tags["verdict"] == decision
    assert float(version.tags["figure.accuracy"]) == 0.9
    assert float(version.tags["figure.examples"]) == 200
    runs = read_runs(root)
    assert version.run_id == runs["flow1-export"].info.run_id
    for name in ("flow1", "flow1-export"):
        assert runs[name].data.tags["verdict"] == decision
        assert f"- {decision}" in runs[name].data.tags["mlflow.note.content"].splitlines()


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (TEST_DATA | {f"{DATA_MD5}audio-folds": "other.dir"}, "champion 1 was tested on other data (audio-folds)"),
        (TEST_DATA | {f"{DATA_MD5}audio-folds": ""}, "champion 1 was tested on other data (audio-folds)"),
        ({}, "champion 1 was tested on other data (audio-clean, audio-folds)"),
    ],
)
def test_a_better_model_on_other_test_data_waits_for_a_person(root: Path, tags: dict[str, str], told: str) -> None:
    register(root, 150)
    (line,) = register(root, 200, tags=tags)
    assert told in line
    assert "`python -m flows models promote audio 2`" in line
    assert read_aliases(root) == {"champion": "1", "challenger": "2"}


def test_two_versions_whose_test_data_nobody_knows_are_not_compared(root: Path) -> None:
    assert "no md5 of it is recorded" in register(root, 150, 200, tags={})[-1]
    assert read_aliases(root) == {"champion": "1", "challenger": "2"}


def test_a_champion_whose_predictions_are_lost_is_not_beaten(root: Path) -> None:
    register(root, 150)
    for path in root.rglob("predictions.csv"):
        path.unlink()
    assert "champion 1 has no stored predictions" in register(root, 200)[-1]
    assert read_aliases(root) == {"champion": "1", "challenger": "2"}


def test_predictions_that_no_judge_can_read_make_no_champion_and_hold_up_nothing(root: Path) -> None:
    register(root, 150)
    version = make_version(root / "odd")
    version.predictions.write_text("fold,example,label,p0\n")
    journal = begin(root, "odd")
    journal.model(version, TEST_DATA)
    journal.end("FINISHED")
    (told, _) = register(root, 151)
    assert "could not be compared" in told and "models promote audio 2" in told
    assert read_aliases(root) == {"champion": "1", "challenger": "3"}


def test_a_judge_that_is_gone_costs_its_own_version_only(root: Path) -> None:
    journal = begin(root, "odd")
    journal.model(make_version(root / "odd", judge="tasks.learning.no_judge"), TEST_DATA)
    journal.end("FINISHED")
    register(root, 150)
    assert count_waiting(root).journals == 0
    assert read_aliases(root) == {"champion": "1"}


def test_a_model_that_an_older_version_of_the_project_told_costs_itself_only(root: Path) -> None:
    journal = begin(root, "old")
    append_event(journal.folder / EVENTS, {"event": "model", "name": "audio", "torchscript": "files/0/model.pt"})
    journal.end("FINISHED")
    register(root, 150)
    assert count_waiting(root).journals == 0
    assert read_aliases(root) == {"champion": "1"}


def test_what_was_sent_before_a_break_is_judged_once(root: Path) -> None:
    register(root, 150)
    export(root, "better", 180)
    shutil.copytree(root / ".trifold/outbox", root / "kept")
    sender.follow_journals(0)
    shutil.rmtree(root / ".trifold/outbox")
    shutil.copytree(root / "kept", root / ".trifold/outbox")
    sender.follow_journals(0)
    assert read_aliases(root) == {"champion": "2"}
    assert [version.number for version in Registry(open_client(root)).list_versions("audio")] == ["2", "1"]
    (told,) = take_messages(root)
    assert "compared with champion 1" in told
    assert Registry(open_client(root)).rollback("audio") == "1"


def test_the_same_export_told_by_another_run_is_the_same_version(root: Path) -> None:
    for name in ("first", "second"):
        export(root, name, 150, {OUTPUT_MD5: "abc.dir", STAGE: "audio-export"})
        sender.follow_journals(0)
    assert [version.number for version in Registry(open_client(root)).list_versions("audio")] == ["1"]
    assert take_messages(root)[-1] == "audio version 1 was registered from this export before"


def test_a_tracker_that_is_down_delays_the_verdict_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_silence() as port:
        pass
    use_tracker(monkeypatch, f"http://127.0.0.1:{port}")
    assert register(root, 150) == []
    assert count_waiting(root).journals == 2
    use_tracker(monkeypatch, f"sqlite:///{root}/mlflow.db")
    sender.follow_journals(0)
    assert "there was no champion yet" in take_messages(root)[0]
    assert read_aliases(root) == {"champion": "1"}


def test_a_person_promotes_and_goes_back_as_often_as_there_was_a_champion(root: Path) -> None:
    register(root, 120, 150, 150)
    registry = Registry(open_client(root))
    registry.promote("audio", "3")
    assert read_aliases(root) == {"champion": "3"}
    versions = {version.number: version for version in registry.list_versions("audio")}
    assert versions["2"].tags["champion.until"] == versions["3"].tags["champion.since"]

    assert registry.rollback("audio") == "2"
    assert registry.rollback("audio") == "1"
    assert read_aliases(root) == {"champion": "1"}
    with pytest.raises(EngineError, match="audio had no champion before version 1"):
        registry.rollback("audio")


def test_rollback_knows_champions_made_elsewhere_and_skips_deleted_ones(root: Path) -> None:
    register(root, 120, 150, 180)
    client, registry = open_client(root), Registry(open_client(root))
    register(root, 100)
    client.set_registered_model_alias("audio", "champion", "4")
    client.delete_model_version("audio", "3")
    assert registry.rollback("audio") == "2"
    client.delete_registered_model_alias("audio", "champion")
    assert registry.rollback("audio") == "2"
    assert registry.rollback("audio") == "1"


def test_promoting_an_earlier_champion_again_keeps_the_one_before(root: Path) -> None:
    register(root, 120, 150)
    registry = Registry(open_client(root))
    registry.promote("audio", "1")
    assert read_aliases(root) == {"champion": "1"}
    assert registry.rollback("audio") == "2"


def test_unknown_names_and_versions_are_one_line(root: Path) -> None:
    registry = Registry(open_client(root))
    with pytest.raises(EngineError, match="no model 'audio' is registered; the registered models are none"):
        registry.promote("audio", "1")
    register(root, 120)
    with pytest.raises(EngineError, match="no model 'sound' is registered; the registered models are audio"):
        registry.rollback("sound")
    with pytest.raises(EngineError, match="audio has no version 7; its versions are 1"):
        registry.promote("audio", "7")


def call(*words: str) -> str:
    """Return what `python -m flows WORDS` prints, called in this process and folder. Raises what it raises."""
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_line_lists_promotes_and_rolls_back(root: Path) -> None:
    register(root, 180, 150)
    told = call("models")
    runs = [version.run_id[:8] for version in Registry(open_client(root)).list_versions("audio")]
    for expected in ("champion", "challenger", "0.9", "0.75", "clean abc.dir", "folds def.dir", *runs):
        assert expected in told, told
    assert "audio version 2 is champion" in call("models", "promote", "audio", "2")
    assert read_aliases(root) == {"champion": "2"}
    assert call("models", "rollback", "audio") == "audio version 1 is champion again\n"
    assert read_aliases(root) == {"champion": "1"}


def make_sound(root: Path) -> str:
    soundfile.write(root / "some.wav", np.zeros(N_SAMPLES), 8000)
    return str(root / "some.wav")


def test_predict_asks_the_champion_or_the_version_named(root: Path) -> None:
    register(root, 180, 150)
    for words, asked in ([], "audio version 1, champion"), (["--version", "2"], "audio version 2, challenger"):
        told = call("predict", "audio", make_sound(root), *words)
        assert f"model: {asked}\n" in told
        assert told.count("%") == 3
    with pytest.raises(EngineError, match=r"audio has no version 7; its versions are 2, 1; `--latest` uses"):
        call("predict", "audio", make_sound(root), "--version", "7")


def test_predict_without_a_champion_says_how_to_go_on(root: Path) -> None:
    with pytest.raises(EngineError, match=r"no model 'audio' is registered.*`--latest` uses the newest model"):
        call("predict", "audio", make_sound(root))
    with pytest.raises(EngineError, match="there is no flow 'nope'"):
        call("predict", "nope", make_sound(root))


def test_predict_by_the_latest_export_needs_no_mlflow(tmp_path: Path) -> None:
    model = tmp_path / "data/audio/export/model.pt"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"")
    code = (
        "import sys; from pathlib import Path; from flows.commands import exported\n"
        f"exported.ROOT = Path({str(tmp_path)!r})\n"
        "with exported.open_exported('audio', version='', latest=True) as it: print(it.name, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "the model in data/audio/export False\n"


def test_a_project_whose_folder_was_renamed_keeps_its_models(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(root, 150)
    renamed = root.rename(root.with_name("it's renamed"))
    monkeypatch.chdir(renamed)
    use_tracker(monkeypatch, "sqlite:///mlflow.db")
    assert "model: audio version 1, champion\n" in call("predict", "audio", make_sound(renamed))
    register(renamed, 180)
    assert read_aliases(renamed) == {"champion": "2"}, "the champion's predictions were read"
    assert not root.exists(), "nothing is written to where it was"


def test_a_copy_leaves_the_files_of_the_project_that_it_was_copied_from_as_they_are_named(root: Path) -> None:
    (place,) = {one.artifact_location for one in open_client(root).search_experiments()}
    # The store of these tests was made elsewhere, in a folder that is still there.
    follow_move(root / "mlflow.db")
    assert {one.artifact_location for one in open_client(root).search_experiments()} == {place}


def test_a_project_that_never_ran_says_so(tmp_path: Path) -> None:
    # An empty address counts as none.
    env = {**os.environ, "MLFLOW_TRACKING_URI": "", "PYTHONPATH": str(REPOSITORY)}
    command = [
        sys.executable,
        "-c",
        "from flows.engine.tracking.mlflow_store import open_existing_store; open_existing_store()",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert "there is no mlflow.db yet" in done.stderr.splitlines()[-1]


def test_an_unknown_name_ends_the_command_with_one_line(root: Path) -> None:
    command = [sys.executable, "-m", "flows", "models", "promote", "sound", "1"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "error: no model 'sound' is registered; the registered models are none (`python -m flows run FLOW` registers "
        "the model of a flow)",
    )
    assert "Traceback" not in done.stderr


OTHER_STORES = {
    "of an unknown version": (
        [],
        "expected [0-9a-f]+\\): another version of MLflow wrote it. `mlflow db upgrade sqlite",
    ),
    "of another version, with fewer tables": (["drop table trace_info"], "'ffff': another version of MLflow wrote it"),
    "no database": (None, "file is not a database"),
}


@pytest.mark.parametrize("store", OTHER_STORES)
def test_a_store_that_cannot_be_read_is_an_error_with_the_way_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    statements, message = OTHER_STORES[store]
    if statements is None:
        (root / "mlflow.db").write_text("text")
        use_tracker(monkeypatch, "sqlite:///mlflow.db")
    else:
        with sqlite3.connect(root / "mlflow.db") as connection:
            for statement in ("update alembic_version set version_num = 'ffff'", *statements):
                connection.execute(statement)
    with pytest.raises(EngineError, match=f"MLflow does not answer: .*{message}"):
        open_existing_store()


def test_the_doctor_names_a_store_of_another_version(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ROOT", root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert doctor.check_store().is_ok
    with sqlite3.connect(root / "mlflow.db") as connection:
        connection.execute("update alembic_version set version_num = 'ffff'")
    finding = doctor.check_store()
    assert (finding.is_ok, finding.seen) == (False, "mlflow.db has revision ffff: another version of MLflow wrote it")
    assert "`mlflow db upgrade sqlite:///mlflow.db` upgrades an older one" in finding.fix
