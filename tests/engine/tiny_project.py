"""A copy of the project's engine around the tiny flow, whose stages leave a trace of what they compute."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.project import NO_BYTECODE, REPOSITORY, Finished, Project, Started
from tests.warm import WarmPython

STAGES = ("read", "change-upper", "change-reverse", "join")
# The engine and what each flow shares with it; the flow itself lies in tests/tiny.
SHARED = (
    "flows/__init__.py",
    "flows/__main__.py",
    "flows/nightly.py",
    *(f"tasks/{name}.py" for name in ("__init__", "section", "errors", "report")),
)
WAIT_S = 60.0


class TinyProject(Project):
    """One checkout of the tiny project; what its stages computed is in a trace beside it."""

    def __init__(self, root: Path, server_state: Path, warm: WarmPython) -> None:
        super().__init__(root, warm)
        self.trace = root.with_name(f"{root.name}-trace.txt")
        self.trace.touch()
        self.env["TINY_TRACE"] = str(self.trace)
        state = root / ".trifold"
        state.mkdir(exist_ok=True)
        # Every copy uses the server that the tests started.
        shutil.copy(server_state, state / "servers.json")

    @property
    def record(self) -> Path:
        """The file that says where the project's servers are."""
        return self.root / ".trifold/servers.json"

    @classmethod
    def create(cls, root: Path, server_state: Path, warm: WarmPython) -> TinyProject:
        """Lay out a fresh project with an empty cache."""
        shutil.copytree(REPOSITORY / "tests/tiny", root, ignore=NO_BYTECODE)
        for folder in ("flows/engine", "flows/commands"):
            shutil.copytree(REPOSITORY / folder, root / folder, ignore=NO_BYTECODE)
        for name in SHARED:
            shutil.copy(REPOSITORY / name, root / name)
        project = cls(root, server_state, warm)
        project.make_repository()
        return project

    def commit(self) -> None:
        """Make a git repository of the folder as it stands."""
        (self.root / ".gitignore").write_text("/data/*\n/.trifold/\n/.env\n/mlflow.db*\n__pycache__/\n")
        self.call("git", "init", "-q", "-b", "main").check()
        self.call("git", "add", "-A").check()
        self.call("git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "-qm", "all").check()

    def copy(self, root: Path) -> TinyProject:
        """Copy the project with its cache and its outputs; nothing is computed in the copy yet."""
        shutil.copytree(self.root, root)
        return TinyProject(root, self.record, self.warm)

    def copy_sources(self, root: Path) -> TinyProject:
        """Copy what a person wrote, and nothing that was ever computed."""
        ignored = shutil.ignore_patterns("tmp", "data", "dvc.lock", ".trifold", "__pycache__")
        shutil.copytree(self.root, root, ignore=ignored)
        shutil.rmtree(root / ".dvc/cache", ignore_errors=True)  # where nothing was computed, there is none
        return TinyProject(root, self.record, self.warm)

    def start_driver(self, driver: str, **env: str) -> Started:
        """Start one of the two drivers."""
        command = ["python", "-m", "dvc", "repro"] if driver == "dvc" else ["python", "-m", "flows", "run", "tiny"]
        return self.start(*command, **env)

    def drive(self, driver: str, **env: str) -> Finished:
        """Run one of the two drivers to its end; dvc.yaml is written again where `dvc repro` asks for that."""
        done = self.start_driver(driver, **env).finish()
        if driver == "dvc" and "graph --write" in done.output:
            assert done.code != 0, "a dvc.yaml that lags behind must fail"
            self.call("python", "-m", "flows", "graph", "--write").check()
            done = self.start_driver(driver, **env).finish()
        return done

    def computed(self) -> list[str]:
        """Return the stages computed since the last call, in order."""
        lines = self.trace.read_text().split()
        self.trace.write_text("")
        return lines

    def outputs(self) -> dict[str, str]:
        """Return the text of every output."""
        return {stage: self.output(stage).read_text() for stage in STAGES if self.output(stage).exists()}

    def locked(self) -> str:
        """Return the text of dvc.lock."""
        return (self.root / "dvc.lock").read_text(encoding="utf-8")

    def lock_anew(self) -> str:
        """Have DVC itself record all that lies in the folder, and return the text of dvc.lock."""
        self.call("python", "-m", "dvc", "commit", "--force").check()
        return self.locked()

    def output(self, stage: str) -> Path:
        """Return the output file of a stage."""
        return self.root / "data/tiny" / stage / "text.txt"

    def hold(self, stage: str) -> Path:
        """Have a stage wait in the middle of its work until the returned file is removed."""
        gate = self.trace.with_name(f"hold-{stage}")
        gate.touch()
        return gate

    def wait_for(self, stage: str, times: int = 1) -> None:
        """Wait until a stage is in the middle of its work."""
        self.wait_until(lambda: self.trace.read_text().split().count(stage) >= times)

    @staticmethod
    def wait_until(condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline_s, "it never came to be"
            time.sleep(0.02)

    def digest(self) -> str:
        """Return a digest of what a person wrote."""
        digest = hashlib.md5()
        for path in sorted(p for p in self.root.rglob("*") if p.suffix in (".py", ".txt", ".yaml") and p.is_file()):
            relative = path.relative_to(self.root)
            if relative.parts[0] not in ("data", ".trifold", ".dvc", "dvc.yaml"):
                digest.update(str(relative).encode() + path.read_bytes())
        return digest.hexdigest()
