"""The worked example of CONTRIBUTING.md, followed in a copy of the project: what the page shows is what is run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import needs_chromium
from tests.engine.report_page import look_at
from tests.project import NO_BYTECODE, REPOSITORY, Project
from tests.warm import WarmPython

# One worker runs them all, since each would compute the flow anew.
pytestmark = [pytest.mark.xdist_group("contributing"), pytest.mark.timeout(900)]
PAGE = REPOSITORY / "CONTRIBUTING.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"# (\S+?)(?:, (?:after `(?P<anchor>.*)`|(?P<end>at the end)))?")
UPDATE = "git fetch upstream"


def write_block(root: Path, text: str) -> str:
    """Write a block into the file that its first line names, and return the file."""
    first, _, content = text.partition("\n")
    place = _PLACE.fullmatch(first)
    assert place, f"the first line of a block names its file, not {first!r}"
    path = root / place[1]
    if place["anchor"]:
        lines = path.read_text().splitlines(keepends=True)
        (at,) = (n for n, line in enumerate(lines, start=1) if line.startswith(place["anchor"]))
        content = "".join([*lines[:at], content, *lines[at:]])
    elif place["end"]:
        content = path.read_text() + content
    else:
        assert not path.exists(), f"{place[1]} is there before the page writes it"
    path.write_text(content)
    return place[1]


def check_out(root: Path, warm: WarmPython) -> Project:
    """Lay out the project as it comes, with its tests."""
    made = Project.check_out(root, warm)
    for folder in ("tests", "benchmarks"):
        shutil.copytree(REPOSITORY / folder, made.root / folder, ignore=NO_BYTECODE)
    for name in ("pyproject.toml", "prefect.yaml", ".gitignore"):
        shutil.copy(REPOSITORY / name, made.root)
    return made


def read_blocks() -> list[tuple[str, str]]:
    """Return the language and the text of every fenced block of the page."""
    return _BLOCK.findall(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def project(warm: WarmPython, server_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which the page was followed to its end, the update left out."""
    made = check_out(tmp_path_factory.mktemp("contributing") / "copy", warm)
    made.make_repository()
    (made.root / ".trifold").mkdir(exist_ok=True)
    shutil.copy(server_state, made.root / ".trifold/servers.json")
    for language, text in read_blocks():
        if language != "sh":
            write_block(made.root, text)
        elif not text.startswith(UPDATE):
            for command in text.splitlines():
                made.call(*command.split()).check()
    # The stage stands after the domain, which was run by then.
    made.call("python", "-m", "flows", "graph", "--write").check()
    return made


def test_the_code_of_the_page_is_formatted_and_linted(project: Project) -> None:
    for command in (["format", "--check"], ["check"]):
        done = project.call("ruff", *command, "flows", "tasks", "tests/tasks")
        assert done.code == 0, done.output


def test_the_run_of_the_page_made_a_model_that_predict_asks(project: Project) -> None:
    asked = project.call("python", "-m", "flows", "predict", "rows", "6.0,5.5,3.0").check().output
    assert "rows version 1, champion" in asked and re.search(r"oak \d", asked)
    refused = project.call("python", "-m", "flows", "predict", "rows", "6.0,5.5")
    assert refused.code == 1 and "no row of 3 numbers" in refused.output


def test_a_new_stage_runs_alone(project: Project) -> None:
    done = project.call("python", "-m", "flows", "run", "rows").check()
    states = dict(re.findall(r"rows-(\S+) +│ (\w+)", done.output))
    assert {name for name, state in states.items() if state == "ran"} == {"means"}
    assert (project.root / "data/rows/means/means.csv").read_text().startswith("category,column,mean\n")


def test_a_new_member_has_stages_of_its_own_and_is_tested_by_being_there(project: Project) -> None:
    stages = (project.root / "dvc.yaml").read_text()
    assert "audio-fit-bandnet-fold1:" in stages
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0"]
    tests = ["tests/tasks/test_members.py", "tests/engine/test_params.py", "tests/engine/test_imports.py"]
    chosen = ["-k", "bandnet or rows or mlp or library or tasks_import"]
    done = subprocess.run([*command, *tests, *chosen], cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 10


def test_nightly_offers_the_new_flow(project: Project) -> None:
    code = "from flows.nightly import all, rows; print(rows.name, all.description)"
    done = project.call(sys.executable, "-c", code).check()
    assert "rows Run audio, images, rows, text one after the other." in done.output


@needs_chromium
def test_the_report_shows_the_new_flow(project: Project) -> None:
    seen, _ = look_at(project.root / ".trifold/reports/rows/report.html")
    assert seen["sections"][0] == "Overview" and seen["sections"][-1] == "Examples"
    assert "Hardest rows" in (project.root / ".trifold/reports/rows/report.html").read_text()


def commit_all(project: Project) -> None:
    """Commit every file."""
    project.call("git", "add", "-A").check()
    project.call("git", "commit", "-qm", "all").check()


def make_lock(project: Project, line: str) -> None:
    """Write dvc.yaml, and a dvc.lock that differs from every other."""
    project.call("python", "-m", "flows", "graph", "--write").check()
    (project.root / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  {line}:\n    cmd: {line}\n")


def test_a_project_with_its_own_flow_takes_an_update(warm: WarmPython, tmp_path: Path) -> None:
    upstream = check_out(tmp_path / "upstream", warm)
    make_lock(upstream, "first")
    upstream.call("git", "init", "-q", "-b", "main").check()
    for name in ("user.name", "user.email"):
        upstream.call("git", "config", name, "t@t.invalid").check()
    commit_all(upstream)
    shutil.copytree(upstream.root, tmp_path / "own")
    own = Project(tmp_path / "own", warm)
    own.call("git", "remote", "add", "upstream", str(upstream.root)).check()
    for language, text in read_blocks():
        if language != "sh" and re.search(r"\brows\b", text.partition("\n")[0]):
            write_block(own.root, text)
        elif text.startswith("mkdir"):
            own.call("bash", "-euc", text).check()
    make_lock(own, "own")
    commit_all(own)
    upstream.edit("params/audio.yaml", "  melnet:\n", "  bandwise:\n    network: melnet\n  melnet:\n")
    make_lock(upstream, "later")
    commit_all(upstream)

    (update,) = (text for _, text in read_blocks() if text.startswith(UPDATE))
    own.call("bash", "-euc", update).check()
    assert own.call("git", "status", "--porcelain").check().output == ""
    stages = (own.root / "dvc.yaml").read_text()
    assert "rows-fit-mlp-fold5:" in stages and "audio-fit-bandwise-fold1:" in stages
    assert "cmd: own" in (own.root / "dvc.lock").read_text()
    own.call("python", "-m", "flows", "graph", "--check").check()
