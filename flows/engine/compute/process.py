"""The seam: one stage, computed in a process of its own. Nothing else in the engine knows where that runs.

The process is forked from a server that lives as long as the driver. For a stage that learns, the server first imports
the libraries that such stages use, so that only the first one of a run waits for that. Under `dvc repro` each stage has
a driver and a server of its own: there the import takes the place of the stage's own, and a stage that does not learn
has no torch imported for it.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Protocol

from flows.engine.compute import work
from flows.engine.compute.job import Job, Usage
from flows.engine.compute.messages import Message, pack_error, unpack_error
from flows.engine.errors import EngineError
from flows.engine.graph.stage import Stage
from flows.engine.locks import find_held, hold_lock, stage_lock, training_lock
from flows.engine.project import ROOT, STATE
from flows.engine.stop import GRACE_S

SERVER = Path(__file__).with_name("stage_server.py")
# What every stage imports, and what stages that learn do. pyarrow and its users are left out: it starts a thread.
LIBRARIES = ("pydantic", "ruamel.yaml")
LEARNING = ("torch", "scipy.signal", "matplotlib.figure")
# How often a stage is looked after when it sends nothing.
LOOK_S = 0.1


class Report(Protocol):
    """What is told of a stage while it is computed."""

    def begin(self) -> None:
        """Note that the work begins, after all waiting."""

    def check(self, *, grace_s: float = 0.0) -> None:
        """Raise when the stage should have ended `grace_s` ago."""

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        """Show how far the work is."""

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Keep figures of one step."""

    def say(self, text: str) -> None:
        """Say one line that a person should read."""


def run_stage(stage: Stage, report: Report) -> Usage:
    """Compute a stage in a process of its own and put its output in place, whole or not at all.

    The caller holds the stage's lock; the process holds it too, so that nobody else computes the stage before that has
    ended, whatever becomes of the caller. When `report.check` raises, the task is asked to end at its next batch, and
    killed when it does not. Raises EngineError for what a person can mend, TaskError for a fault of the task's code,
    DisturbedError when an input changed, StoppedError or LateError when the stage was to end early.
    """
    if not stage.learns:
        return _compute(stage, report)
    with hold_lock(training_lock(), lambda: report.say("waits for another training"), report.check):
        return _compute(stage, report)


def _compute(stage: Stage, report: Report) -> Usage:
    report.check()
    locks = [stage_lock(stage.name), *([training_lock()] if stage.learns else [])]
    process = _server.fork((*LIBRARIES, *LEARNING) if stage.learns else LIBRARIES, find_held(*locks))
    return _Supervisor(stage, process, report).run()


@dataclass(frozen=True)
class _Process:
    """A process of a stage: its pid, the channel to it, and where the server tells of its end."""

    pid: int
    channel: Connection
    ended: Connection


class _Server:
    """The process that forks for the stages of this one: started for the first, and again should it have died."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket

    def fork(self, libraries: Sequence[str], locks: Sequence[int]) -> _Process:
        """Return a new process that waits for its job; it has `libraries` imported and keeps the open files `locks`."""
        request = json.dumps({"module": work.__name__, "libraries": libraries}).encode()
        channel, theirs = Pipe()
        ended, end = Pipe(duplex=False)
        with self._asking:
            try:
                with theirs, end:
                    self._start()
                    socket.send_fds(self._control, [request], [theirs.fileno(), end.fileno(), *locks])
                pid = int(json.loads(ended.recv_bytes())["pid"])
            except (EOFError, BrokenPipeError):
                raise EngineError("the process that starts stages ended, see the lines above: run again") from None
        return _Process(pid, channel, ended)

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-P", str(SERVER)], cwd=ROOT, stdin=theirs.fileno())

    def stop(self) -> None:
        """End the server, and with it the processes that it forked."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._control.close()


_server = _Server()
atexit.register(_server.stop)


class _Supervisor:
    """Passes the messages of a stage's process on to its report, and has the process end when the report says so."""

    def __init__(self, stage: Stage, process: _Process, report: Report) -> None:
        self._stage, self._process, self._report = stage, process, report
        self._last: Message = {}
        self._exit: Message = {}
        self._is_to_end = False
        self._killed_for: EngineError | None = None

    def run(self) -> Usage:
        """Hand the job to the process, and wait until it has ended. Raises what `run_stage` says."""
        try:
            with suppress(BrokenPipeError):
                self._process.channel.send_bytes(pickle.dumps(Job.of(self._stage)))
            while not self._exit:
                self._look()
        finally:
            self._clean_up()
        if self._last.get("event") == "done":
            return Usage(self._last["seconds"], self._exit["peak_bytes"])
        if self._last.get("event") == "failed":
            raise unpack_error(self._last["error"])
        raise self._killed_for or EngineError(_explain_end(self._stage.name, **self._exit))

    def _look(self) -> None:
        try:
            if wait([self._process.channel, self._process.ended], LOOK_S):
                self._read()
            self._report.check()
        except EngineError as error:
            self._have_end(error)

    def _read(self) -> None:
        """Take the next message of the process; once it has none left, the server's word of its end."""
        channel, ended = self._process.channel, self._process.ended
        try:
            message = json.loads(channel.recv_bytes()) if channel.poll() else {}
        except (EOFError, OSError):
            message = {}
        if message:
            self._take(message)
            return
        try:
            self._exit = json.loads(ended.recv_bytes())
        except EOFError:
            # The server was killed, and with it the kernel killed what it forked.
            self._exit = {"code": -signal.SIGKILL, "peak_bytes": 0}

    def _take(self, message: Message) -> None:
        match message.pop("event"):
            case "begin":
                self._report.begin()
            case "progress":
                self._report.progress(message["done"], message["total"], message["unit"], **message["figures"])
            case "metrics":
                self._report.metrics(message["figures"], message["step"])
            case "say":
                self._report.say(message["text"])
            case last:
                self._last = {"event": last, **message}

    def _have_end(self, error: EngineError) -> None:
        """Ask the task once to end at its next batch; kill its process when it has not done so in time."""
        if not self._is_to_end:
            self._is_to_end = True
            with suppress(BrokenPipeError):
                self._process.channel.send_bytes(json.dumps(pack_error(error)).encode())
        if self._killed_for:
            return
        try:
            self._report.check(grace_s=GRACE_S)
        except EngineError:
            self._killed_for = type(error)(f"{error} (it was still in one call {GRACE_S:g} s later, and was killed)")
            os.kill(self._process.pid, signal.SIGKILL)

    def _clean_up(self) -> None:
        """Have no process left, whatever ended the watch, and nothing of what it had not finished."""
        if not self._exit:
            os.kill(self._process.pid, signal.SIGKILL)
            with suppress(EOFError):
                self._process.ended.recv_bytes()
        self._process.channel.close()
        self._process.ended.close()
        shutil.rmtree(STATE / work.WORK / self._stage.name, ignore_errors=True)


def _explain_end(name: str, *, code: int, peak_bytes: int) -> str:
    peak = f"peak {peak_bytes / 1e9:.1f} GB"
    if code >= 0:
        return f"{name}: its process ended by itself with exit code {code}, {peak}; see the lines above"
    cause = ": out of memory?" if -code == signal.SIGKILL else f" ({signal.Signals(-code).name}),"
    return f"{name} was killed by signal {-code}{cause} {peak}; run again, it goes on from what is finished"
