"""A copy of the project's engine around the tiny flow, driven as a person would: by its commands."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.engine.warm import WarmPython

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = ("read", "change-upper", "change-reverse", "join")
BIN = Path(sys.executable).parent
# The engine and what each flow shares with it; the flow itself lies in tests/tiny.
SHARED = ("flows/__init__.py", "flows/__main__.py", "tasks/__init__.py", "tasks/section.py", "tasks/errors.py")
WAIT_S = 60.0


@dataclass(frozen=True)
class Finished:
    """A command that ended."""

    code: int
    output: str

    def check(self) -> Finished:
        """Return itself; fail with the whole output when the command failed."""
        assert self.code == 0, self.output
        return self


@dataclass(frozen=True)
class Started:
    """A command under way, in a process group of its own."""

    pid: int
    log: Path
    wait: Callable[[], int]

    def finish(self) -> Finished:
        """Wait for its end."""
        return Finished(self.wait(), self.log.read_text())

    def kill(self) -> None:
        """Kill it and all that it started, as the kernel would for want of memory."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()


class TinyProject:
    """One checkout of the tiny project; what its stages computed is in a trace beside it."""

    def __init__(self, root: Path, server_state: Path, warm: WarmPython) -> None:
        self.root = root
        self.warm = warm
        self._count = 0
        self.trace = root.with_name(f"{root.name}-trace.txt")
        self.trace.touch()
        own = {"TINY_TRACE": str(self.trace), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self.env = {**os.environ, **own}
        state = root / ".trifold"
        state.mkdir(exist_ok=True)
        # Every copy uses the server that the tests started.
        shutil.copy(server_state, state / "servers.json")

    @classmethod
    def create(cls, root: Path, server_state: Path, warm: WarmPython) -> TinyProject:
        """Lay out a fresh project with an empty cache."""
        shutil.copytree(REPOSITORY / "tests/tiny", root, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(
            REPOSITORY / "flows/engine", root / "flows/engine", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in SHARED:
            shutil.copy(REPOSITORY / name, root / name)
        (root / ".dvcignore").write_text("__pycache__\n")
        project = cls(root, server_state, warm)
        project.call("python", "-m", "dvc", "init", "--no-scm", "-q").check()
        project.call("python", "-m", "dvc", "config", "core.analytics", "false").check()
        project.call("python", "-m", "flows", "graph", "--write").check()
        return project

    def copy(self, root: Path) -> TinyProject:
        """Copy the project with its cache and its outputs; nothing is computed in the copy yet."""
        shutil.copytree(self.root, root)
        return TinyProject(root, self.root / ".trifold/servers.json", self.warm)

    def copy_sources(self, root: Path) -> TinyProject:
        """Copy what a person wrote, and nothing that was ever computed."""
        ignored = shutil.ignore_patterns("cache", "tmp", "data", "dvc.lock", ".trifold", "__pycache__")
        shutil.copytree(self.root, root, ignore=ignored)
        return TinyProject(root, self.root / ".trifold/servers.json", self.warm)

    def start(self, *command: str, **env: str) -> Started:
        """Start a command in the project."""
        self._count += 1
        log = self.root.with_name(f"{self.root.name}-{self._count}.log")
        full = {**self.env, **env}
        if command[:2] == ("python", "-m"):
            pid = self.warm.start(list(command[2:]), self.root, full, log)
            return Started(pid, log, lambda: self.warm.wait(pid))
        with log.open("w") as file:
            process = subprocess.Popen(
                command, cwd=self.root, env=full, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        return Started(process.pid, log, process.wait)

    def call(self, *command: str, **env: str) -> Finished:
        """Run a command in the project to its end."""
        return self.start(*command, **env).finish()

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

    def output(self, stage: str) -> Path:
        """Return the output file of a stage."""
        return self.root / "data/tiny" / stage / "text.txt"

    def is_clean(self) -> bool:
        """Tell whether DVC finds everything up to date."""
        return "up to date" in self.call("python", "-m", "dvc", "status").check().output

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file in place."""
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def hold(self, stage: str) -> Path:
        """Have a stage wait in the middle of its work until the returned file is removed."""
        gate = self.trace.with_name(f"hold-{stage}")
        gate.touch()
        return gate

    def wait_for(self, stage: str, times: int = 1) -> None:
        """Wait until a stage is in the middle of its work."""
        deadline_s = time.monotonic() + WAIT_S
        while self.trace.read_text().split().count(stage) < times:
            assert time.monotonic() < deadline_s, f"{stage} never began"
            time.sleep(0.02)

    def digest(self) -> str:
        """Return a digest of what a person wrote."""
        digest = hashlib.md5()
        for path in sorted(p for p in self.root.rglob("*") if p.suffix in (".py", ".txt", ".yaml") and p.is_file()):
            relative = path.relative_to(self.root)
            if relative.parts[0] not in ("data", ".trifold", ".dvc", "dvc.yaml"):
                digest.update(str(relative).encode() + path.read_bytes())
        return digest.hexdigest()
