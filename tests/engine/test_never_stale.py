"""The never-stale matrix: after any change, both drivers give the result of a run from scratch."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.tiny_project import STAGES, TinyProject

DRIVERS = ("prefect", "dvc")
OTHER = {"prefect": "dvc", "dvc": "prefect"}
ALL = set(STAGES)

Change = Callable[[TinyProject], object]
CASES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda p: None, set()),
    "a helper two imports away": (lambda p: p.edit("tasks/far.py", "strip()", "strip() + ' again'"), ALL),
    "a helper, with the same result": (
        lambda p: p.edit("tasks/far.py", "text.strip()", "text.strip('\\n ')"),
        {"read"},
    ),
    "a literal in the flow": (lambda p: p.edit("flows/tiny.py", "times=2", "times=3"), ALL - {"read"}),
    "an unrelated module": (lambda p: p.edit("tasks/unrelated.py", "this", "that"), set()),
    "one member's module": (
        lambda p: p.edit("tasks/members/reverse.py", "[::-1]", "[::-1].title()"),
        {"change-reverse", "join"},
    ),
    "one parameter": (lambda p: p.edit("params/tiny.yaml", '" / "', '" + "'), {"join"}),
    "one member's parameter": (lambda p: p.edit("params/tiny.yaml", '"?"', '"."'), {"change-reverse", "join"}),
    "a key of the recipe that one member has itself": (
        lambda p: p.edit("params/tiny.yaml", 'before: ""', 'before: "<"'),
        {"change-reverse", "join"},
    ),
    "a key of the recipe that each member has itself": (
        lambda p: p.edit("params/tiny.yaml", 'gap: " "  #', 'gap: "_"  #'),
        set(),
    ),
    "a key of the recipe that a member says itself from now on": (
        lambda p: p.edit("params/tiny.yaml", 'mark: "?"', 'mark: "?"\n    before: "<"'),
        {"change-reverse", "join"},
    ),
    "an unrelated parameter": (lambda p: p.edit("params/tiny.yaml", "nobody reads", "somebody wrote"), set()),
    "a comment in the params": (lambda p: p.edit("params/tiny.yaml", "# what stands", "# what shall stand"), set()),
    "the input file": (lambda p: p.edit("input.txt", "quick", "slow"), ALL),
    "an output deleted": (lambda p: shutil.rmtree(p.output("change-upper").parent), set()),
    "an output truncated": (lambda p: p.output("read").write_text(""), set()),
    "an output altered by a byte": (lambda p: _alter_byte(p.output("change-upper")), set()),
    "dvc.lock deleted": (lambda p: (p.root / "dvc.lock").unlink(), set()),
    "data deleted": (lambda p: shutil.rmtree(p.root / "data"), set()),
    "data and the cache deleted": (lambda p: _delete(p, "data", ".dvc/cache"), ALL),
    "data, the cache and dvc.lock deleted": (lambda p: _delete(p, "data", ".dvc/cache", "dvc.lock"), ALL),
}


# Edits of code that change no result, and whose stages must run again all the same: the member `reverse` alone.
REVERSE = "tasks/members/reverse.py"
USED: dict[str, tuple[str, str, str]] = {
    "a constant": (REVERSE, 'END = ""', "END = str()"),
    "a default argument": (REVERSE, '"" + ""', '""'),
    "a decorator": (REVERSE, "    return function", "    return function or None"),
    "a base class": (REVERSE, "return END", "return END + END"),
    "a class attribute": (REVERSE, 'start = ""', "start = str()"),
    "a helper that is defined twice": (REVERSE, 'return words + ""', "return words"),
    "what a decorator registers": ("tasks/listed.py", 'return words + ""', "return words"),
    "what __init_subclass__ registers": ("tasks/listed.py", 'return "" + words\n', "return words\n"),
    "what X = register(f) registers": ("tasks/listed.py", 'return "" + words + ""', "return words"),
    "a module imported for its effect": ("tasks/effect.py", "str.strip", "str.rstrip"),
    "what registers": ("tasks/registry.py", "    return function", "    return function or None"),
}
# Edits that no stage may run again for.
UNUSED: list[tuple[str, str, str]] = [
    (REVERSE, "Turn the words", "Put the words"),
    (REVERSE, "def change", "# A comment.\n\n\n\ndef change"),
    (REVERSE, "by + words + by", "by   + words + (by)"),
    ("tasks/change.py", "Change the text", "Alter the text"),
    ("tasks/far.py", "def strip_text", '"""A docstring."""\n\n\ndef nobody_calls() -> None: ...\n\n\ndef strip_text'),
]


def _alter_byte(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def _delete(project: TinyProject, *names: str) -> None:
    for name in names:
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def tiny(tiny_base: TinyProject, tmp_path: Path) -> TinyProject:
    return tiny_base.copy(tmp_path / "tiny")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", CASES)
def test_a_change_computes_what_it_must_and_no_more(
    tiny: TinyProject, truth: Callable[[TinyProject], dict[str, str]], case: str, driver: str
) -> None:
    change, expected = CASES[case]
    change(tiny)
    tiny.drive(driver).check()
    assert set(tiny.computed()) == expected
    assert tiny.outputs() == truth(tiny)
    assert driver == "dvc" or tiny.locked() == tiny.lock_anew(), "dvc.lock is what DVC itself would write"
    tiny.drive(OTHER[driver]).check()
    assert tiny.computed() == [], "the other driver computes nothing"
    assert tiny.outputs() == truth(tiny)


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_edit_that_changes_no_code_computes_nothing(tiny: TinyProject, driver: str) -> None:
    for name, old, new in UNUSED:
        tiny.edit(name, old, new)
    tiny.drive(driver).check()
    assert tiny.computed() == []
    assert tiny.is_clean()


@pytest.mark.parametrize("driver", DRIVERS)
def test_code_that_is_used_in_any_way_computes_what_uses_it(tiny: TinyProject, driver: str) -> None:
    before = tiny.outputs()
    for what, (name, old, new) in USED.items():
        tiny.edit(name, old, new)
        tiny.drive(driver).check()
        assert tiny.computed() == ["change-reverse"], what
    tiny.edit("tasks/join.py", "separator: str", "separator: str = ''")
    tiny.drive(driver).check()
    assert tiny.computed() == ["join"], "a section's class"
    assert tiny.outputs() == before


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_parameter_changed_back_is_restored(tiny: TinyProject, driver: str) -> None:
    before = tiny.outputs()
    tiny.edit("params/tiny.yaml", '" / "', '" + "')
    tiny.drive(driver).check()
    tiny.edit("params/tiny.yaml", '" + "', '" / "')
    tiny.computed()
    tiny.drive(driver).check()
    assert tiny.computed() == []
    assert tiny.outputs() == before
    assert tiny.is_clean()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("stage", ["read", "change-upper", "join"])
def test_a_run_killed_in_a_stage_is_completed_by_the_other_driver(
    tiny: TinyProject, truth: Callable[[TinyProject], dict[str, str]], stage: str, driver: str
) -> None:
    tiny.edit("input.txt", "quick", "slow")
    gate = tiny.hold(stage)
    process = tiny.start_driver(driver)
    tiny.wait_for(stage)
    process.kill()
    gate.unlink()
    tiny.computed()
    tiny.drive(OTHER[driver]).check()
    assert stage in tiny.computed(), "what was cut off is computed"
    assert tiny.outputs() == truth(tiny)
    assert tiny.is_clean()


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_was_finished_before_a_kill_is_not_done_again(tiny: TinyProject, driver: str) -> None:
    tiny.edit("input.txt", "quick", "slow")
    gate = tiny.hold("join")
    process = tiny.start_driver(driver)
    tiny.wait_for("join")
    process.kill()
    gate.unlink()
    tiny.computed()
    tiny.drive(driver).check()
    assert tiny.computed() == ["join"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_failing_stage_keeps_its_old_output(tiny: TinyProject, driver: str) -> None:
    before = tiny.outputs()
    tiny.edit("params/tiny.yaml", '"?"', '"."')
    failed = tiny.drive(driver, TINY_FAIL="change-reverse")
    assert failed.code != 0
    assert "change-reverse fails as asked" in failed.output
    assert tiny.outputs() == before
    tiny.computed()
    tiny.drive(driver).check()
    assert set(tiny.computed()) == {"change-reverse", "join"}, "the failure is not taken for a result"


EDITS: dict[str, Change] = {
    "code": lambda p: p.edit("tasks/members/reverse.py", "[::-1]", "[::-1].title()"),
    "a parameter": lambda p: p.edit("params/tiny.yaml", '"."', '";"'),
    "an input": lambda p: p.output("read").write_text("something else\n"),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("edited", EDITS)
def test_an_edit_while_a_stage_runs_is_not_recorded_as_fresh(
    tiny: TinyProject, truth: Callable[[TinyProject], dict[str, str]], edited: str, driver: str
) -> None:
    tiny.edit("params/tiny.yaml", '"?"', '"."')
    gate = tiny.hold("change-reverse")
    process = tiny.start_driver(driver)
    tiny.wait_for("change-reverse")
    EDITS[edited](tiny)
    gate.unlink()
    process.finish()
    tiny.drive(driver).check()
    assert tiny.outputs() == truth(tiny)
    assert tiny.is_clean()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_comment_edited_while_a_stage_runs_voids_nothing(tiny: TinyProject, driver: str) -> None:
    tiny.edit("params/tiny.yaml", '"?"', '"."')
    gate = tiny.hold("change-reverse")
    process = tiny.start_driver(driver)
    tiny.wait_for("change-reverse")
    for name, old, new in UNUSED:
        tiny.edit(name, old, new)
    tiny.call("python", "-m", "flows", "stage", "code").check()
    gate.unlink()
    process.finish().check()
    assert tiny.computed() == ["change-reverse", "join"]
    tiny.drive(driver).check()
    assert tiny.computed() == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_code_edited_while_a_stage_runs_voids_it_though_another_run_begins(
    tiny: TinyProject, truth: Callable[[TinyProject], dict[str, str]], driver: str
) -> None:
    tiny.edit("params/tiny.yaml", '"?"', '"."')
    gate = tiny.hold("change-reverse")
    early = tiny.start_driver(driver)
    tiny.wait_for("change-reverse")
    tiny.edit(REVERSE, "[::-1]", "[::-1].title()")
    late = tiny.start_driver(OTHER[driver])
    # It writes the new fingerprints, and then waits for the stage.
    fingerprint = tiny.root / "data/code/change.change_text.members.reverse.txt"
    old = fingerprint.read_text()
    tiny.wait_until(lambda: fingerprint.read_text() != old)
    gate.unlink()
    assert early.finish().code != 0, "what ran is not what is recorded"
    late.finish().check()
    assert tiny.outputs() == truth(tiny)
    assert tiny.is_clean()


@pytest.mark.parametrize("first, second", [("prefect", "prefect"), ("prefect", "dvc"), ("dvc", "prefect")])
def test_two_drivers_at_once_compute_each_stage_once(
    tiny: TinyProject, truth: Callable[[TinyProject], dict[str, str]], first: str, second: str
) -> None:
    tiny.edit("input.txt", "quick", "slow")
    gate = tiny.hold("change-upper")
    early = tiny.start_driver(first)
    tiny.wait_for("change-upper")
    late = tiny.start_driver(second)
    # The second must meet the first at its work: it is let go when the other has had time to get there.
    threading.Timer(8.0, gate.unlink).start()
    for process in (early, late):
        process.finish().check()
    assert sorted(tiny.computed()) == sorted(ALL)
    assert tiny.outputs() == truth(tiny)
    assert tiny.is_clean()


def test_two_runs_started_together_compute_each_stage_once(
    tiny: TinyProject, truth: Callable[[TinyProject], dict[str, str]]
) -> None:
    tiny.edit("input.txt", "quick", "slow")
    runs = [tiny.start_driver("prefect") for _ in range(2)]
    for process in runs:
        process.finish().check()
    assert sorted(tiny.computed()) == sorted(ALL)
    assert tiny.outputs() == truth(tiny)
    assert tiny.is_clean()
