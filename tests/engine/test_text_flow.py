"""The whole text flow, on small data: Prefect and `dvc repro` compute the same bytes, each from scratch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.browser import needs_chromium
from tests.engine.report_page import look_at
from tests.project import Project
from tests.warm import WarmPython

# One worker runs them all, since each would compute the flow anew.
pytestmark = [pytest.mark.xdist_group("text flow"), pytest.mark.timeout(900)]
MEMBERS = ("lstm", "cnn")
SMALL = {
    "compute.threads": 1,  # the tests beside it want a core too
    "sample.train_rows": 300,
    "sample.test_rows": 60,
    **{f"members.{name}.epochs": 1 for name in MEMBERS},
}
LAST = ("text-evaluate", "text-slices", "text-audit", "text-export")


@pytest.fixture(scope="module")
def project(warm: WarmPython, server_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A checkout that ran the whole flow once under Prefect, with one epoch for each network."""
    made = Project.check_out(tmp_path_factory.mktemp("text") / "whole", warm)
    made.make_repository()
    (made.root / ".trifold").mkdir(exist_ok=True)
    shutil.copy(server_state, made.root / ".trifold/servers.json")
    changes = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    made.call("python", "-m", "flows", "run", "text", *changes).check()
    return made


def read_outputs(project: Project) -> dict[str, str]:
    """Return the md5 that dvc.lock holds of each output of the flow."""
    stages = YAML(typ="safe").load(project.root / "dvc.lock")["stages"]
    return {name: stage["outs"][0]["md5"] for name, stage in stages.items() if name.startswith("text-")}


def test_dvc_computes_nothing_after_prefect(project: Project) -> None:
    before = (project.root / "dvc.lock").read_text()
    done = project.call("python", "-m", "dvc", "repro", *LAST).check()
    assert "Running stage" not in done.output
    assert (project.root / "dvc.lock").read_text() == before


def test_dvc_alone_computes_the_same_bytes(project: Project, warm: WarmPython, tmp_path: Path) -> None:
    alone = Project.check_out(tmp_path / "alone", warm)
    shutil.copy(project.root / "params/text.yaml", alone.root / "params/text.yaml")
    alone.make_repository()
    done = alone.call("python", "-m", "dvc", "repro", *LAST).check()
    outputs = read_outputs(alone)
    assert done.output.count("Running stage 'text-") == len(outputs) >= 15
    assert outputs == read_outputs(project)


def test_predict_names_the_classes_of_a_text(project: Project) -> None:
    told = project.call("python", "-m", "flows", "predict", "text", "what a lovely day").check().output
    assert told.count("%") == 2


def test_the_figures_are_those_of_the_hand_labelled_tweets(project: Project) -> None:
    figures = json.loads((project.root / "data/text/evaluate/metrics.json").read_text())
    assert set(figures["members"]) == {*MEMBERS, "nbsvm"}
    assert 0 < figures["ensemble"]["examples"] <= SMALL["sample.test_rows"]


@needs_chromium
def test_the_report_shows_the_tweets_flow(project: Project) -> None:
    seen, _ = look_at(project.root / ".trifold/reports/text/report.html")
    assert seen["sections"][0] == "Overview" and seen["sections"][-1] == "Examples"
