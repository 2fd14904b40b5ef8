"""Our dvc.lock equals DVC's byte for byte; writing it takes equally long for any length."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, modify_yaml, parse_yaml

from flows.engine.cache.lockfile import HEAD, _modify, replace_lock_access
from tests.engine.tiny_project import TinyProject

LONG = "python -m flows stage images-evaluate " + " ".join(f"number_{n}={n}" for n in range(40))
MANY_CALLS = 10
VALUES: dict[str, Any] = {
    "a long command": LONG,
    "a long word": "x" * 300,
    "words that are folded at odd places": "a:  b   " * 30 + "# c",
    "lines": "first\nsecond\n\nfourth\n",
    "texts like other values": [
        "yes",
        "no",
        "on",
        "null",
        "~",
        "1e3",
        "0123",
        "1_000",
        "12:30:45",
        "2026-01-02",
        "1.0",
    ],
    "texts with marks": ["- a", "? b", "a: b", "#c", "'d'", '"e"', "{f}", "[g]", "*h", "&i", "!j", "%k", " l ", ""],
    "other letters": "Äpfel für 10 € 🙂 \u2028 \x7f \t",
    "figures": [0, -1, 1.5, 1e-05, 1e20, 1.0, float("inf"), float("-inf"), float("nan")],
    "truths and nothing": [True, False, None],
    "empty": [[], {}],
    "nested": {"a": {"b": [{"c": 1, "d": [1, [2, 3]]}, {"e": {}}]}, "z": None, "1": 2},
}


def make_stage(value: Any, number: int = 0) -> dict[str, Any]:
    """Return an entry of dvc.lock with a value in its params."""
    dep = {"path": "tasks/a.py", "hash": "md5", "md5": f"{number:032x}", "size": 9}
    return {
        "cmd": value if isinstance(value, str) else "python -m flows stage a",
        "deps": [dep],
        "params": {"params/a.yaml": {"key": value}},
        "outs": [{**dep, "path": "data/a", "nfiles": 2}],
    }


def write(path: Path, stages: dict[str, Any], how: Callable[..., Any] = _modify) -> str:
    """Record stages as DVC does, by our way or its own, and return the text."""
    with how(str(path)) as data:
        if not data:
            data.update({"schema": "2.0"})
        data["stages"] = data.get("stages", {})
        data["stages"].update(stages)
    return path.read_text(encoding="utf-8")


def list_in_pipeline(path: Path, names: list[str]) -> None:
    """Write a dvc.yaml with stages of these names."""
    path.with_suffix(".yaml").write_text("stages:\n" + "".join(f"  {name}:\n    cmd: a\n" for name in names))


@pytest.mark.parametrize("case", VALUES)
def test_each_recorded_stage_leaves_the_bytes_that_dvc_would(tmp_path: Path, case: str) -> None:
    ours, theirs = tmp_path / "dvc.lock", tmp_path / "theirs.lock"
    list_in_pipeline(ours, ["a-1", "b.2", "c_3"])
    plain, odd = make_stage("plain"), make_stage(VALUES[case])
    for stages in ({"a-1": odd}, {"b.2": plain}, {"c_3": odd}, {"b.2": make_stage(VALUES[case], 7)}, {"a-1": plain}):
        assert write(ours, stages) == write(theirs, stages, modify_yaml)


def test_a_stage_is_read_as_dvc_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    stages = {f"a-{number}": make_stage(value) for number, value in enumerate(VALUES.values())}
    path.write_text(dumps_yaml({"schema": "2.0", "stages": stages}), encoding="utf-8")
    found = load(path)["stages"]
    whole = parse_yaml(path.read_text(encoding="utf-8"), str(path))["stages"]
    assert repr({name: dict(found[name]) for name in found}) == repr(dict(whole))


def test_a_list_named_twice_in_the_params_makes_no_alias(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    list_in_pipeline(path, ["a", "b"])
    twice = make_stage([[1, 2]] * 2)
    write(path, {"a": twice})
    assert "&" not in write(path, {"b": twice})
    assert load(path)["stages"]["b"] == twice


def load(path: Path) -> Any:
    """Return what DVC reads of a lock file in this process."""
    replace_lock_access()
    if not (path.parent / ".dvc").exists():
        Repo.init(str(path.parent), no_scm=True).close()
    with Repo(str(path.parent)) as repo:
        return Lockfile(repo, str(path)).load()


def test_entries_of_stages_that_dvc_yaml_no_longer_has_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    list_in_pipeline(path, ["a", "b"])
    write(path, {"a": make_stage(1), "b": make_stage(2)})
    list_in_pipeline(path, ["b", "c"])
    assert list(parse_yaml(write(path, {"c": make_stage(3)}), str(path))["stages"]) == ["b", "c"]


FOREIGN = {
    "a comment": HEAD + "  a:\n    cmd: x\n# a comment\n",
    "another indent": HEAD + "    a:\n        cmd: x\n",
    "a flow mapping": "schema: '2.0'\nstages: {a: {cmd: x}}\n",
    "data sets": HEAD + "  a:\n    cmd: x\ndatasets: []\n",
    "an alias": HEAD + "  z:\n    cmd: &n x\n  a:\n    cmd: *n\n",
    "no end of line": HEAD + "  a:\n    cmd: x",
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_file_in_another_form_is_read_and_written_as_dvc_does(tmp_path: Path, case: str) -> None:
    ours, theirs = tmp_path / "dvc.lock", tmp_path / "theirs.lock"
    ours.write_text(FOREIGN[case])
    theirs.write_text(FOREIGN[case])
    assert load(ours)["stages"]["a"] == {"cmd": "x"}
    assert write(ours, {"b": make_stage(1)}) == write(theirs, {"b": make_stage(1)}, modify_yaml)


DAMAGED = {
    "a conflict": HEAD + "<<<<<<< HEAD\n  a:\n    cmd: x\n=======\n  a:\n    cmd: y\n>>>>>>> other\n",
    "a stage twice": HEAD + "  a:\n    cmd: x\n  a:\n    cmd: y\n",
    "a cut": HEAD + "  a:\n    cmd: 'x\n",
    "no command": HEAD + "  a:\n    outs: []\n",
    "bytes": HEAD + "  a:\n    cmd: \udcff\n",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_refused_as_dvc_does(tmp_path: Path, case: str) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text(DAMAGED[case], errors="surrogateescape")
    with pytest.raises(DvcException):
        dict(load(path)["stages"])


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    list_in_pipeline(path, ["a"])
    before = write(path, {"a": make_stage(1)})
    with pytest.raises(Exception, match="cannot represent"):
        write(path, {"a": make_stage(object())})
    assert path.read_text() == before


def test_recording_a_stage_makes_no_more_calls_with_ten_times_the_entries(tmp_path: Path) -> None:
    def count_calls(entries: int) -> int:
        folder = tmp_path / str(entries)
        folder.mkdir()
        path, names = folder / "dvc.lock", [f"a-{number}" for number in range(entries)]
        list_in_pipeline(path, names)
        write(path, {name: make_stage(LONG) for name in names})
        load(path)
        calls = 0

        def note(frame: Any, event: str, argument: Any) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(note)
        try:
            load(path)["stages"]["a-30"]
            write(path, {"a-30": make_stage("new")})
        finally:
            sys.setprofile(None)
        return calls

    count_calls(31)  # what is imported on first use
    assert count_calls(660) < count_calls(66) + MANY_CALLS


WRITER = {
    "ours": """
from flows.engine.cache.repository import open_repo
def use():
    return open_repo()
""",
    "dvc": """
from contextlib import contextmanager
from dvc.dvcfile import load_file
from dvc.repo import Repo
class Opened:
    def __init__(self, repo): self.repo = repo
    def load(self, name): return load_file(self.repo, "dvc.yaml").stages[name]
@contextmanager
def use():
    with Repo(".") as repo:
        repo.lock._wait = True
        with repo.lock:
            yield Opened(repo)
""",
}
RECORD = """
import sys
name = sys.argv[1]
for size in range(1, 16):
    with use() as opened:
        stage = opened.load(name)
        assert size == 1 or stage.outs[0].meta.size == size - 1, "what this process recorded was lost"
        stage.outs[0].meta.size = size
        stage.dump(update_pipeline=False)
"""


@pytest.mark.parametrize("other", WRITER)
def test_two_processes_that_record_at_once_lose_nothing(tiny_base: TinyProject, tmp_path: Path, other: str) -> None:
    tiny = tiny_base.copy(tmp_path / "tiny")
    names = {"tiny-read": "ours", "tiny-join": other}
    commands = [[sys.executable, "-c", WRITER[how] + RECORD, name] for name, how in names.items()]
    writers = [subprocess.Popen(command, cwd=tiny.root) for command in commands]
    assert [writer.wait() for writer in writers] == [0, 0]
    stages = parse_yaml((tiny.root / "dvc.lock").read_text(), "dvc.lock")["stages"]
    assert {name: stages[name]["outs"][0]["size"] for name in names} == dict.fromkeys(names, 15)
