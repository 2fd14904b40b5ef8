"""`pip install -e .` works, and make finds the installed programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.project import BIN, NO_BYTECODE, REPOSITORY


@pytest.mark.parametrize(("build", "holds"), [("build_editable", set()), ("build_wheel", {"flows", "tasks"})])
def test_the_project_can_be_installed(tmp_path: Path, build: str, holds: set[str]) -> None:
    project = tmp_path / "project"
    for name in ("flows", "tasks", "tests", "params"):
        shutil.copytree(REPOSITORY / name, project / name, ignore=NO_BYTECODE)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, project)
    # What pip and uv do, but in this environment rather than in one that they fetch.
    code = f"import setuptools.build_meta as backend; backend.{build}({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("trifold-*.whl")
    folders = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/__init__.py")}
    assert folders == holds


def test_make_names_the_programs_of_the_environment_by_path() -> None:
    recipes = [line for line in (REPOSITORY / "Makefile").read_text().splitlines() if line.startswith("\t")]
    programs = {line.split()[0].lstrip("@") for line in recipes}
    assert ".venv/bin/python" in programs
    assert not programs & {path.name for path in BIN.iterdir()}


def test_the_python_of_a_recipe_finds_the_project_where_pythonsafepath_is_set() -> None:
    probe = f"include Makefile\nprobe: ; @'{sys.executable}' -m flows graph --help\n"
    env = {**os.environ, "PYTHONSAFEPATH": "1"}
    command = ["make", "--file=-", "probe"]
    done = subprocess.run(command, input=probe, cwd=REPOSITORY, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
