"""Computes one stage in a process of its own. Nothing else in the engine knows where that process runs.

The process is forked from a server that runs as long as the driver. The server first imports torch for a stage whose
code imports it, and more libraries for a stage that learns; so only the first such stage of a run waits for the import.
Under `dvc repro` each stage has a driver and a server of its own: there the server imports what the stage would import.
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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from flows.engine.compute import work
from flows.engine.compute.job import Job, Usage
from flows.engine.compute.messages import Message, StageReport, forward, pack_error, unpack_error
from flows.engine.compute.shares import Share, hold_place, hold_share
from flows.engine.errors import EngineError, KilledError
from flows.engine.graph.stage import Stage
from flows.engine.locks import find_held, stage_lock
from flows.engine.machine import GPUS
from flows.engine.project import ROOT, STATE
from flows.engine.stop import GRACE_S

SERVER = Path(__file__).with_name("stage_server.py")
# The libraries for every stage, and besides torch for stages that learn. Without pyarrow and its users, because it
# starts a thread.
TORCH = "torch"
LIBRARIES = ("pydantic.type_adapter", "pydantic.functional_validators", "ruamel.yaml")
LEARNING = ("torchaudio", "scipy.signal", "matplotlib.figure", "matplotlib.backends.backend_agg")
# How often the driver checks a stage that sends nothing, seconds.
CHECK_S = 0.1


def run_stage(stage: Stage, report: StageReport) -> Usage:
    """Compute a stage in a process of its own and move its output into place, all or nothing.

    The caller holds the stage's lock. The process holds it too, so nobody else computes the stage before the process
    has ended, even if the caller dies. When `report.check` raises, the task is asked to stop at its next batch, and
    killed when it does not. Raises EngineError for an error that a user can fix, TaskError for a bug in the task's
    code, DisturbedError when an input changed, StoppedError or LateError when the stage was stopped.
    """
    if not stage.learns:
        with hold_place(report.check):
            return _compute(stage, report, Share())
    with hold_share(stage, lambda: report.say("waiting for another training on this machine"), report.check) as share:
        return _compute(stage, report, share)


def _compute(stage: Stage, report: StageReport, share: Share) -> Usage:
    report.check()
    job = Job.of(stage)
    torch = (TORCH,) if stage.learns or TORCH in job.libraries else ()
    libraries = (*LIBRARIES, *torch, *(LEARNING if stage.learns else ()))
    process = _server.fork(libraries, share, find_held(stage_lock(stage.name), *share.locks))
    return _Supervisor(job, process, report).run()


@dataclass(frozen=True)
class _Process:
    """A stage's process: its pid, the channel to it, and the pipe on which the server reports its end."""

    pid: int
    channel: Connection
    ended: Connection


class _Server:
    """The process that forks stage processes: started for the first stage, and again if it has died."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket

    def fork(self, libraries: Sequence[str], share: Share, locks: Sequence[int]) -> _Process:
        """Return a new process that waits for its job.

        It has imported `libraries`, is bound to its share of the machine, and keeps the open files `locks`.
        """
        env = {GPUS: ",".join(share.gpus)} if share.gpus else {}
        request = json.dumps(
            {"module": work.__name__, "libraries": libraries, "cores": share.cores, "env": env}
        ).encode()
        channel, theirs = Pipe()
        ended, end = Pipe(duplex=False)
        with self._asking:
            try:
                with theirs, end:
                    self._start()
                    socket.send_fds(self._control, [request], [theirs.fileno(), end.fileno(), *locks])
                pid = int(json.loads(ended.recv_bytes())["pid"])
            except (EOFError, BrokenPipeError):
                raise EngineError("the process that starts stages ended (see the lines above): run again") from None
        return _Process(pid, channel, ended)

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-P", str(SERVER)], cwd=ROOT, stdin=theirs.fileno())

    def stop(self) -> None:
        """End the server and the processes that it forked."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._control.close()


_server = _Server()
atexit.register(_server.stop)


class _Supervisor:
    """Forwards a stage process's messages to its report, and ends the process when the report asks for it."""

    def __init__(self, job: Job, process: _Process, report: StageReport) -> None:
        self._job, self._process, self._report = job, process, report
        self._last: Message = {}
        self._exit: Message = {}
        self._is_to_end = False
        self._killed_for: EngineError | None = None

    def run(self) -> Usage:
        """Send the job to the process and wait until it has ended. Raises what `run_stage` lists."""
        try:
            with suppress(BrokenPipeError):
                self._process.channel.send_bytes(pickle.dumps(self._job))
            while not self._exit:
                self._step()
        finally:
            self._clean_up()
        if self._last.get("event") == "done":
            return Usage(self._last["seconds"], self._exit["peak_bytes"])
        if self._last.get("event") == "failed":
            raise unpack_error(self._last["error"])
        raise self._killed_for or _explain_end(self._job.name, **self._exit)

    def _step(self) -> None:
        try:
            if wait([self._process.channel, self._process.ended], CHECK_S):
                self._read()
            self._report.check()
        except EngineError as error:
            self._have_end(error)

    def _read(self) -> None:
        """Handle the process's next message; after the last one, the server's message about its end."""
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
            # The server was killed, so the kernel killed the processes that it forked.
            self._exit = {"code": -signal.SIGKILL, "peak_bytes": 0}

    def _take(self, message: Message) -> None:
        if not forward(message, self._report):
            self._last = message

    def _have_end(self, error: EngineError) -> None:
        """Ask the task once to stop at its next batch; kill its process after `GRACE_S`."""
        if not self._is_to_end:
            self._is_to_end = True
            with suppress(BrokenPipeError):
                self._process.channel.send_bytes(json.dumps(pack_error(error)).encode())
        if self._killed_for:
            return
        try:
            self._report.check(grace_s=GRACE_S)
        except EngineError:
            self._killed_for = type(error)(f"{error} (it had not stopped {GRACE_S:g} s later and was killed)")
            os.kill(self._process.pid, signal.SIGKILL)

    def _clean_up(self) -> None:
        """Leave no process and no unfinished output behind, whatever ended the supervision."""
        if not self._exit:
            os.kill(self._process.pid, signal.SIGKILL)
            with suppress(EOFError):
                self._process.ended.recv_bytes()
        self._process.channel.close()
        self._process.ended.close()
        shutil.rmtree(STATE / work.WORK / self._job.name, ignore_errors=True)


def _explain_end(name: str, *, code: int, peak_bytes: int) -> EngineError:
    peak = f"peak {peak_bytes / 1e9:.1f} GB"
    if code >= 0:
        return EngineError(
            f"{name}: its process ended with exit code {code} before the stage was done, {peak}; see the lines above"
        )
    cause = ": out of memory?" if -code == signal.SIGKILL else f" ({signal.Signals(-code).name}),"
    return KilledError(
        f"{name} was killed by signal {-code}{cause} {peak}; end other programs or lower its batch size if memory is "
        "short, then run again to resume it"
    )
