"""A project of the previous version takes this one: what docs/upgrade.md promises."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from flows.engine.errors import EngineError
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.params import Params, check_params, read_yaml
from flows.engine.housekeeping.retention import Retention
from flows.engine.registry.runs import FlowRuns
from flows.engine.registry.versions import Registry
from flows.engine.tracking import sender
from flows.engine.tracking.outbox import take_messages
from flows.text import TextParams
from tasks.section import Section
from tests.engine.mlflow_store import open_client
from tests.engine.past_version import TEST_DATA, keep_past_lock, make_past_store
from tests.engine.tiny_project import STAGES, TinyProject
from tests.engine.versions import export

ANEW = "every stage is computed again, once: dvc.lock was written by an earlier version"


@pytest.mark.parametrize("driver", ["prefect", "dvc"])
def test_everything_is_computed_again_once_and_the_run_says_why(
    tiny_base: TinyProject, tmp_path: Path, driver: str
) -> None:
    project = tiny_base.copy(tmp_path / "tiny")
    before = project.outputs()
    keep_past_lock(project)
    first = project.drive(driver).check()
    assert first.output.count(ANEW) == 1
    assert sorted(project.computed()) == sorted(STAGES) and project.outputs() == before
    for second in ("prefect", "dvc"):
        assert ANEW not in project.drive(second).check().output
    assert project.computed() == []
    # DVC's own command leaves entries that nothing names.
    assert ("  graph:" in project.locked()) == (driver == "dvc")


def test_the_champion_stays_and_the_next_version_is_compared_with_it(root: Path) -> None:
    make_past_store(root)
    registry = Registry(open_client(root))
    champion = registry.find_champion("audio")
    assert champion is not None and champion.number == "1"
    export(root, "flow", 180, TEST_DATA)
    sender.follow_journals(0)
    (verdict,) = take_messages(root)
    assert "audio version 2 becomes champion: compared with champion 1" in verdict
    assert registry.rollback("audio") == "1"


def test_its_runs_are_listed_and_its_champion_s_runs_outlive_a_cleaning(root: Path) -> None:
    make_past_store(root)
    client = open_client(root)
    (run,) = FlowRuns(client).list_last(5)
    assert run.metrics["ensemble.accuracy"] == 0.75
    decided = Retention.decide(client, root=root, days=1, present=set())
    assert {kept.info.run_name for kept in decided.kept.values()} == {"audio", "audio-export"}
    assert not decided.old and [version.number for version in decided.kept_versions] == ["1"]


class Fit(Section):
    """A section of which one key was renamed and one removed."""

    renamed: ClassVar[Mapping[str, str]] = {"rounds": "passes"}
    removed: ClassVar[Mapping[str, str]] = {"blend": "nothing is blended"}

    passes: int
    rate: float


class ChangedParams(Params):
    heirs = ("members",)

    members: dict[str, Fit]


MEMBER = {"passes": 1, "rate": 0.1}
REFUSED = {
    "renamed in a member": (
        {"members": {"a": {"rounds": 1, "rate": 0.1}}, "recipe": {}},
        "members.a.rounds was renamed: write members.a.passes",
    ),
    "renamed in the recipe": (
        {"members": {"a": {"rate": 0.1}}, "recipe": {"rounds": 1}},
        "recipe.rounds was renamed: write recipe.passes",
    ),
    "removed": (
        {"members": {"a": {**MEMBER, "blend": 0.0}}, "recipe": {}},
        "members.a.blend was removed (nothing is blended): delete it",
    ),
    "never there": (
        {"members": {"a": {**MEMBER, "colour": 1}}, "recipe": {}},
        "members.a.colour is not a key here; valid keys: passes, rate",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_key_of_the_previous_version_is_refused_with_what_became_of_it(case: str) -> None:
    content, message = REFUSED[case]
    with pytest.raises(EngineError) as refused:
        check_params(content, ChangedParams, "params/past.yaml")
    assert str(refused.value) == f"params/past.yaml: {message}"


def test_a_params_file_in_which_members_say_all_keys_themselves_is_read_as_before() -> None:
    content = {"members": {"a": MEMBER, "b": {**MEMBER, "passes": 2}}}
    params = check_params(content, ChangedParams, "params/past.yaml")
    assert {name: one.passes for name, one in params.members.items()} == {"a": 1, "b": 2}


@pytest.mark.parametrize("key", ["mixup_alpha", "train_batch_norm"])
def test_keys_without_meaning_for_texts_are_refused_by_file_and_command_line(key: str) -> None:
    content: Mapping[str, dict[str, dict[str, object]]] = read_yaml("params/text.yaml")
    content["members"]["lstm"][key] = 0
    with pytest.raises(EngineError, match=rf"members\.lstm\.{key} was removed \("):
        check_params(content, TextParams, "params/text.yaml")
    with pytest.raises(EngineError, match=rf"--set members\.lstm\.{key}=0: members\.lstm\.{key} was removed \("):
        read_changed("text", preset="", overrides=[f"members.lstm.{key}=0"])
