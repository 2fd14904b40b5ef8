"""What is wrong with a machine, such as another user's files or another Python, gives a line with the fix."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.engine.errors import explain, is_fixable
from tests.project import REPOSITORY


def refuse(folder: Path, monkeypatch: pytest.MonkeyPatch) -> PermissionError:
    """Have this process, which may be root's, find that it may not write the folder; return the error of trying."""
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: allowed(place, mode) and (place != folder or mode == os.F_OK))
    return PermissionError(13, "Permission denied", str(folder / "a" / "b"))


def test_what_the_user_may_not_write_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project/data").mkdir(parents=True)
    (tmp_path / "two words").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    own = refuse(tmp_path / "two words", monkeypatch)
    assert is_fixable(own)
    assert f"`chmod u+rwX '{tmp_path}/two words'`, then run again" in explain(own)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert f"{tmp_path}/two words belongs to another user: name a place of your own, then run again" in explain(own)
    inside = refuse(tmp_path / "project/data", monkeypatch)
    assert f"work in a checkout of your own, `git clone {tmp_path}/project`" in explain(inside)


def test_a_python_without_the_packages_is_named_with_the_fix() -> None:
    # -S: no installed packages, as in the Python that a dvc of another environment finds
    command = [sys.executable, "-S", "-m", "flows", "stage", "code"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {sys.executable} has no dvc, no mlflow, no prefect")
    assert "`. .venv/bin/activate`" in done.stderr and "Traceback" not in done.stderr
