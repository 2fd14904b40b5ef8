"""A node: a folder on some machine in which stages are computed, one at a time.

It has trees (code and params, each unpacked once), one cache, and state that outlives a tree, such as checkpoints. Only
the standard library is imported: a transport may send this module to a machine that has no checkout of the project.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import select
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PROGRAM = "flows.engine.nodes.program"
CORES = "TRIFOLD_CORES"  # the variable with the numbers of the cores that the program may use
GPUS = "CUDA_VISIBLE_DEVICES"
BEAT = '{"event": "beat"}'
BEAT_S = 1.0
# A stage stops at its next batch, or is killed by its program, within this time.
PATIENCE_S = 30.0
LINES_SHOWN = 20
READ_BYTES = 1 << 16
ENDINGS = ("done", "failed", "lost")
# Variables of the process in which a node lives that its program must not inherit.
NOT_INHERITED = ("RAY_", "OMP_", "PREFECT_", "MLFLOW_", "DVC_")


class Node:
    """Computes stages by a program that stays as long as the tree is the same."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        """`env` are variables for the program, such as the GPU to use."""
        self._folder, self._env = folder, env
        self._program: subprocess.Popen[bytes] | None = None
        self._tree = ""
        self._unread = b""

    def compute(self, order: str, tree: str, archive: bytes) -> Generator[str]:
        """Compute a stage; yield messages as lines of JSON, at least one each second, the last of an `ENDINGS` kind.

        A caller that closes this generator stops the stage at its next batch.
        """
        program, has_ended = self._start(tree, archive), False
        try:
            for line in self._ask(program, order):
                has_ended = json.loads(line)["event"] in ENDINGS
                yield line
                if has_ended:
                    return
            has_ended = True
            yield self._explain_loss(program)
        finally:
            if not has_ended:
                self.close()

    def stop(self) -> None:
        """End the program, and the stage that it computes, at the next batch; any thread may call this."""
        if (program := self._program) is None:
            return
        assert program.stdin is not None
        with suppress(BrokenPipeError):
            program.stdin.close()
        try:
            program.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()

    def close(self) -> None:
        """End the program as `stop` does, and what this process holds of it."""
        if self._program is None:
            return
        self.stop()
        assert self._program.stdout is not None
        self._program.stdout.close()
        self._program = None

    def _start(self, tree: str, archive: bytes) -> subprocess.Popen[bytes]:
        if self._program is not None and (self._tree != tree or not self._is_listening(self._program)):
            self.close()
        if self._program is None:
            root = unpack(self._folder, tree, archive)
            os.utime(root)  # for those who delete trees that are no longer used
            self._tree, self._unread = tree, b""
            with self._log.open("ab") as log:
                self._program = subprocess.Popen(
                    [sys.executable, "-m", PROGRAM],
                    cwd=root,
                    env=self._make_environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
        return self._program

    @staticmethod
    def _is_listening(program: subprocess.Popen[bytes]) -> bool:
        assert program.stdin is not None
        return not program.stdin.closed and program.poll() is None

    @property
    def _log(self) -> Path:
        return self._folder / "program.log"

    def _make_environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        temporary = self._folder / "tmp"
        temporary.mkdir(exist_ok=True)  # also of the locks of cores, which are its own
        return {**kept, "TMPDIR": str(temporary), "DVC_SITE_CACHE_DIR": str(self._folder / "site"), **self._env}

    def _ask(self, program: subprocess.Popen[bytes], order: str) -> Iterator[str]:
        """Send an order; yield the program's lines, and a beat where it says nothing for a second, until it ends."""
        assert program.stdin is not None and program.stdout is not None
        with suppress(BrokenPipeError, ValueError):  # it has ended or was stopped: nothing will come
            program.stdin.write(order.encode())
            program.stdin.flush()
        descriptor = program.stdout.fileno()
        while True:
            if not select.select([descriptor], [], [], BEAT_S)[0]:
                yield BEAT
                continue
            chunk = os.read(descriptor, READ_BYTES)
            if not chunk:
                return
            *lines, self._unread = (self._unread + chunk).split(b"\n")
            yield from (line.decode() for line in lines)

    def _explain_loss(self, program: subprocess.Popen[bytes]) -> str:
        code = program.wait()
        self.close()
        last = "\n".join(self._log.read_text(errors="replace").splitlines()[-LINES_SHOWN:])
        return json.dumps({"event": "lost", "text": f"its program on the node ended with {code}", "log": last})


def limit(number: int, count: int, gpus: Sequence[str]) -> dict[str, str]:
    """Return the variables that give the program the `number`th of `count` shares of this machine's cores and GPUs.

    With more nodes than cores, some share a core. Where the system binds no process to cores, each may use all of them.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    share = cores[number::count] or cores[number % max(len(cores), 1) :][:1]
    parts = {CORES: [str(core) for core in share], GPUS: gpus[number::count]}
    return {name: ",".join(part) for name, part in parts.items() if part}


def unpack(folder: Path, tree: str, archive: bytes) -> Path:
    """Return the folder of a tree in a node's folder; unpack it unless it is there."""
    root = folder / "trees" / tree
    root.parent.mkdir(parents=True, exist_ok=True)
    with (folder / "trees.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            draft = root.with_name(f"{tree}.{time.time_ns()}")
            with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
                packed.extractall(draft, filter="data")
            (folder / "state").mkdir(exist_ok=True)
            (draft / ".trifold").symlink_to(Path("../../state"))
            draft.rename(root)
    return root
