"""A checkout driven as a person would: by its commands."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tasks.files import list_shard, name_shard
from tests.warm import WarmPython

REPOSITORY = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
FOLDERS = ("flows", "tasks", "params")
# Before a command: what `nohup` and a shell's `&` have these tests ignore, it does not.
WITH_DEFAULT_SIGNALS = (
    sys.executable,
    "-Sc",
    "import os, signal as s, sys; [s.signal(n, s.SIG_DFL) for n in (s.SIGINT, s.SIGHUP, s.SIGQUIT)]; "
    "os.execvp(sys.argv[1], sys.argv[1:])",
)
NO_BYTECODE = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True)
class Finished:
    """A command that ended."""

    code: int
    output: str

    def check(self) -> Self:
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
        """Wait for its end; a test that is out of time leaves nothing under way."""
        try:
            return Finished(self.wait(), self.log.read_text())
        except BaseException:
            print(self.log.read_text())  # shows where it hung
            with contextlib.suppress(ProcessLookupError):
                self.kill()
            raise

    def kill(self) -> None:
        """Kill it and all that it started, as the kernel would for want of memory."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()


class Project:
    """A folder with the engine and flows, and commands run in it."""

    def __init__(self, root: Path, warm: WarmPython) -> None:
        self.root = root
        self.warm = warm
        self.env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self._count = 0

    @classmethod
    def check_out(cls, root: Path, warm: WarmPython) -> Self:
        """Lay out the flows, tasks and params as they are committed; no repository yet."""
        for folder in FOLDERS:
            shutil.copytree(REPOSITORY / folder, root / folder, ignore=NO_BYTECODE)
        return cls(root, warm)

    def extract(self, flow: str, pattern: str) -> Path:
        """Return a file of a flow's data whose name matches, unpacked beside the project."""
        shard = self.root / f"data/{flow}/download" / name_shard(0)
        file = next(file for file in list_shard(shard) if file.path.match(pattern))
        return file.save(self.root.with_name(f"{self.root.name}-unpacked"))

    def make_repository(self) -> None:
        """Make a DVC repository of the folder, and write dvc.yaml."""
        shutil.copy(REPOSITORY / ".dvcignore", self.root)
        self.call("python", "-m", "dvc", "init", "--no-scm", "-q").check()
        self.call("python", "-m", "dvc", "config", "core.analytics", "false").check()
        self.call("python", "-m", "flows", "graph", "--write").check()

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
                [*WITH_DEFAULT_SIGNALS, *command],
                cwd=self.root,
                env=full,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Started(process.pid, log, process.wait)

    def call(self, *command: str, **env: str) -> Finished:
        """Run a command in the project to its end."""
        return self.start(*command, **env).finish()

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file in place."""
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def is_clean(self) -> bool:
        """Tell whether DVC finds everything up to date."""
        return "up to date" in self.call("python", "-m", "dvc", "status").check().output
