"""`flows status` names why a stage is not fresh, and `flows run --dry` lists what a run then computes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.tiny_project import STAGES, TinyProject

DRIVERS = ("prefect", "dvc")
FILES = ("params/tiny.yaml", "dvc.yaml", "dvc.lock")


@pytest.fixture(scope="module", params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def computed(driver: str, tiny_base: TinyProject, tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """The tiny project, all of whose stages this driver computed last."""
    project = tiny_base.copy(tmp_path_factory.mktemp(f"status-{driver}") / "tiny")
    project.edit("input.txt", "quick", "slow")
    project.drive(driver).check()
    assert len(project.computed()) == len(STAGES)
    return project


@pytest.fixture
def tiny(computed: TinyProject, tmp_path: Path) -> TinyProject:
    return computed.copy(tmp_path / "tiny")


def read_status(project: TinyProject) -> dict[str, dict[str, Any]]:
    """Return what `flows status --json` says of each stage of the flow, which must be all that it prints."""
    rows = json.loads(project.call("python", "-m", "flows", "status", "tiny", "--json").check().output)
    return {row["stage"].removeprefix("tiny-"): row for row in rows}


def read_table(output: str) -> dict[str, list[str]]:
    """Return the cells of a printed table by their row's first one; of a folded cell, the first line."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines()]
    return {row[0].removeprefix("tiny-"): row[1:] for row in rows if row and row[0].startswith("tiny-")}


def plan(project: TinyProject, *options: str) -> list[str]:
    """Return the stages that `flows run --dry` lists; it must leave every file as it is."""
    before = snapshot(project)
    done = project.call("python", "-m", "flows", "run", "tiny", "--dry", *options).check()
    assert snapshot(project) == before
    assert project.computed() == []
    listed = list(read_table(done.output))
    assert f"at most {len(listed)} of" in done.output
    return listed


def snapshot(project: TinyProject) -> dict[str, bytes]:
    """Return the bytes of what a person or a run writes."""
    paths = [project.root / name for name in FILES]
    paths += sorted(path for path in (project.root / "data").rglob("*") if path.is_file())
    return {str(path.relative_to(project.root)): path.read_bytes() for path in paths if path.exists()}


def test_what_was_just_computed_is_fresh_and_says_when_and_by_which_run(tiny: TinyProject, driver: str) -> None:
    rows = read_status(tiny)
    assert list(rows) == list(STAGES)
    run = {"prefect": "flow run ", "dvc": "dvc repro"}[driver]
    for row in rows.values():
        assert (row["state"], row["reasons"], row["moved"]) == ("fresh", [], [])
        assert row["made"]["run"].startswith(run)
        assert 0 <= time.time() - row["made"]["ended_ms"] / 1000 < 600
    printed = tiny.call("python", "-m", "flows", "status").check().output
    assert "4 fresh, 0 stale, 0 missing" in printed
    for stage, (state, since, told, why) in read_table(printed).items():
        made = rows[stage]["made"]
        assert (state, why) == ("fresh", "")
        assert since == time.strftime("%Y-%m-%d %H:%M", time.localtime(made["ended_ms"] / 1000))
        assert told and made["run"].startswith(told)


Change = Callable[[TinyProject], object]
# What is changed; of each stage that is not fresh then, the state and the reasons; what a run computes.
CASES: dict[str, tuple[Change, dict[str, tuple[str, list[str]]], list[str]]] = {
    "an edited definition": (
        lambda p: p.edit("tasks/members/reverse.py", "[::-1]", "[::-1].title()"),
        {
            "change-reverse": ("stale", ["code changed: tasks.members.reverse.change"]),
            "join": ("stale", ["tiny-change-reverse is stale"]),
        },
        ["change-reverse", "join"],
    ),
    "a changed param": (
        lambda p: p.edit("params/tiny.yaml", '"?"', '"."'),
        {
            "change-reverse": ("stale", ["members.reverse.mark ? -> ."]),
            "join": ("stale", ["tiny-change-reverse is stale"]),
        },
        ["change-reverse", "join"],
    ),
    "a changed plain value": (
        lambda p: p.edit("flows/tiny.py", "times=2", "times=3"),
        {
            "change-upper": ("stale", ["the plain values changed: times=2 -> times=3"]),
            "change-reverse": ("stale", ["the plain values changed: times=2 -> times=3"]),
            "join": ("stale", ["tiny-change-upper is stale", "tiny-change-reverse is stale"]),
        },
        ["change-reverse", "change-upper", "join"],
    ),
    "a changed input file": (
        lambda p: p.edit("input.txt", "slow", "lame"),
        {
            "read": ("stale", ["input.txt changed"]),
            "change-upper": ("stale", ["tiny-read is stale"]),
            "change-reverse": ("stale", ["tiny-read is stale"]),
            "join": ("stale", ["tiny-change-upper is stale", "tiny-change-reverse is stale"]),
        },
        ["change-reverse", "change-upper", "join", "read"],
    ),
    "a missing output": (
        lambda p: shutil.rmtree(p.output("change-upper").parent),
        {"change-upper": ("missing", ["data/tiny/change-upper is missing: the next run restores it, or computes it"])},
        [],
    ),
    "an altered output": (
        lambda p: p.output("read").write_text("other words\n"),
        {"read": ("altered", ["data/tiny/read is altered: the next run restores it, or computes it"])},
        [],
    ),
    "a new member": (
        lambda p: p.edit("params/tiny.yaml", "\njoin:", '  mine:\n    mark: "."\n\njoin:'),
        {
            "change-mine": ("missing", ["not in dvc.yaml yet"]),
            "join": ("stale", ["new input: data/tiny/change-mine"]),
        },
        ["change-reverse", "join"],  # of the new member, whose module is that of `reverse`
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_change_is_named_and_what_is_listed_is_what_then_runs(tiny: TinyProject, case: str, driver: str) -> None:
    change, expected, computes = CASES[case]
    change(tiny)
    rows = read_status(tiny)
    assert {name: (row["state"], row["reasons"]) for name, row in rows.items() if row["state"] != "fresh"} == expected
    if driver == "prefect":
        assert plan(tiny) == list(expected)
    tiny.drive(driver).check()
    assert sorted(tiny.computed()) == computes
    assert {row["state"] for row in read_status(tiny).values()} == {"fresh"}


@pytest.mark.parametrize(
    ("options", "computes"),
    [
        ((), []),
        (("--set", "members.reverse.mark=."), ["change-reverse", "join"]),
        (("--set", "join.separator= + ", "--stage", "tiny-change-upper", "--force"), ["read", "change-upper"]),
    ],
    ids=["none", "a param", "some stages by force"],
)
def test_a_plan_follows_the_options_of_the_run(tiny_base: TinyProject, tmp_path: Path, options, computes) -> None:  # type: ignore[no-untyped-def]
    tiny = tiny_base.copy(tmp_path / "tiny")
    assert plan(tiny, *options) == computes
    tiny.call("python", "-m", "flows", "run", "tiny", *options).check()
    assert tiny.computed() == computes


def test_a_plan_tells_why_and_what_the_stages_took_before(tiny_base: TinyProject, tmp_path: Path) -> None:
    tiny = tiny_base.copy(tmp_path / "tiny")
    for stage, seconds in {"change-reverse": 90.0, "join": 30.0}.items():
        change_made(tiny, stage, seconds=seconds)
    done = tiny.call("python", "-m", "flows", "run", "tiny", "--dry", "--set", "members.reverse.mark=.").check()
    assert read_table(done.output) == {
        "change-reverse": ["stale", "90.0", "members.reverse.mark ? -> ."],
        "join": ["stale", "30.0", "tiny-change-reverse is stale"],
    }
    assert "at most 2 of 4 stages would run; 2 of them took 2.0 min last time" in done.output


def test_a_library_of_another_version_is_named_and_makes_nothing_stale(tiny_base: TinyProject, tmp_path: Path) -> None:
    tiny = tiny_base.copy(tmp_path / "tiny")
    now = read_status(tiny)["read"]["made"]["versions"]
    change_made(tiny, "read", versions={**now, "torch": "1.0", "gone": "2.0"})
    moved = [f"torch 1.0, now {now['torch']}", "gone 2.0, now none"]
    rows = read_status(tiny)
    assert (rows["read"]["state"], rows["read"]["moved"]) == ("fresh", moved)
    assert all(row["moved"] == [] for stage, row in rows.items() if stage != "read")
    printed = " ".join(tiny.call("python", "-m", "flows", "status", "tiny").check().output.split())
    assert f"made with {moved[0]}" in printed.replace(" │", "").replace("│ ", "")
    assert plan(tiny) == []


def change_made(project: TinyProject, stage: str, **values: Any) -> None:
    """Change what is known of how a stage was computed last."""
    path = project.root / f".trifold/ledger/tiny-{stage}-made.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
