"""The comparison of two runs: their differences, and whether a model is better by more than noise."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.commands.app import app
from flows.engine.errors import EngineError
from flows.engine.registry.runs import Difference, FlowRuns
from flows.engine.tags import DATA_MD5
from flows.engine.tracking import sender
from tasks.learning import comparison
from tests.engine.mlflow_store import begin, open_client
from tests.engine.versions import TEST_DATA, make_version


def run_flow(root: Path, *, lr: str, right: int, md5: str = "abc", cached: bool = False) -> str:
    """Tell a run of the flow `audio` and its export, or one whose export was cached; return its id."""
    count = len(list(root.glob("flow*")))
    parent = begin(root, "audio", params={"fit.lr": lr, "fit.epochs": "2"}, tags={"git.commit": "0123456789"})
    tags = {"stage": "audio-export", "output.md5": md5}
    if cached:
        parent.link("audio-export", tags)
    else:
        export = begin(root, "audio-export", parent=parent, tags=tags)
        export.model(make_version(root / f"flow{count}", right), TEST_DATA | {f"{DATA_MD5}audio-clean": md5})
        export.end("FINISHED")
    parent.tags({"output.md5.audio-clean": md5, "output.md5.audio-folds": "def"})
    parent.metrics({"ensemble.accuracy": right / 200, "system/cpu_utilization_percentage": 50.0}, 0)
    parent.end("FINISHED")
    sender.follow_journals(0)
    return FlowRuns(open_client(root)).list_last(1)[0].id


def call(*words: str) -> str:
    """Return what `python -m flows WORDS` prints, called in this process and folder. Raises what it raises."""
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_runs_are_listed_and_compared_by_params_data_figures_and_noise(root: Path) -> None:
    one, other = run_flow(root, lr="0.1", right=150), run_flow(root, lr="0.2", right=180)
    listed = call("runs")
    assert listed.index(other[:8]) < listed.index(one[:8])
    for expected in ("finished", "01234567", "0.9", "0.75"):
        assert expected in listed
    assert "audio-export" not in listed

    told = call("runs", "compare", one[:8], other[:8])
    assert "fit.lr" in told and "fit.epochs" not in told
    assert "md5 of data: no difference" in told
    assert "ensemble.accuracy" in told and "system/" not in told
    assert "second against the first: accuracy 90.0% against 75.0% on the same 200 examples, +15.0 points" in told


def test_a_run_whose_export_was_cached_is_compared_by_the_model_that_it_found(root: Path) -> None:
    one, other = run_flow(root, lr="0.1", right=150), run_flow(root, lr="0.1", right=150, cached=True)
    runs = FlowRuns(open_client(root))
    pair = runs.compare(runs.find(one), runs.find(other), comparison)
    assert (pair.params, pair.data) == ([], [])
    assert pair.figures == [Difference("ensemble.accuracy", "0.75", "0.75")]
    assert pair.noise.endswith("+0.0 points (95 % interval +0.0 to +0.0): within the noise")


def test_runs_on_other_test_data_are_not_compared_by_noise(root: Path) -> None:
    one, other = run_flow(root, lr="0.1", right=150), run_flow(root, lr="0.1", right=200, md5="other")
    runs = FlowRuns(open_client(root))
    pair = runs.compare(runs.find(one), runs.find(other), comparison)
    assert pair.data == [Difference("audio-clean", "abc", "other")]
    assert pair.noise == "not compared example by example: the first was tested on other data (audio-clean)"


def test_an_id_that_names_no_run_or_several_is_refused(root: Path) -> None:
    begin(root, "audio").end("FINISHED")
    begin(root, "audio").end("FINISHED")
    sender.follow_journals(0)
    runs = FlowRuns(open_client(root))
    with pytest.raises(EngineError, match="no flow's run has an id that begins with 'x'"):
        runs.find("x")
    with pytest.raises(EngineError, match="2 runs have an id that begins with ''"):
        runs.find("")
    pair = runs.compare(*runs.list_last(2), judge=comparison)
    assert pair.noise == "not compared example by example: a run has no registered model"
