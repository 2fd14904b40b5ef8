"""The messages between a stage's process, or a node, and its driver: JSON, so that none unpickles another's classes."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, Protocol

from flows.engine.compute.guard import DisturbedError, InputDisturbedError
from flows.engine.errors import EngineError, KilledError, TaskError, explain, is_fixable
from flows.engine.stop import LateError, StoppedError

Message = dict[str, Any]
# Errors that a driver distinguishes; any other error that a user can fix arrives as an EngineError.
_KINDS = {kind.__name__: kind for kind in (StoppedError, LateError, DisturbedError, InputDisturbedError, KilledError)}


class StageReport(Protocol):
    """Receives a stage's progress, metrics and messages while it is computed."""

    def begin(self, machine: Mapping[str, str]) -> None:
        """Note that the work begins, after any waiting; `machine` are tags of another machine that computes it."""

    def check(self, *, grace_s: float = 0.0) -> None:
        """Raise when the stage should have ended `grace_s` ago."""

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        """Show the progress."""

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Keep the metrics of one step."""

    def load(self, figures: Mapping[str, float]) -> None:
        """Keep one sample of the load of another machine that computes the stage."""

    def say(self, text: str) -> None:
        """Print one line for the user."""


def pack_error(error: BaseException) -> Message:
    """Return an error as plain values."""
    kind = type(error).__name__
    fixable = is_fixable(error)
    trace = "" if fixable else "".join(traceback.format_exception(error)).rstrip()
    return {"kind": kind, "text": explain(error) or kind, "fixable": fixable, "trace": trace}


def unpack_error(message: Message) -> Exception:
    """Return the error that `pack_error` described; a bug has its traceback as a note."""
    if message["fixable"]:
        return _KINDS.get(message["kind"], EngineError)(message["text"])
    error = TaskError(message["text"])
    error.add_note(message["trace"])
    return error


def forward(message: Message, report: StageReport) -> bool:
    """Call the report's method that a message names; return whether it names one."""
    match message["event"]:
        case "begin":
            report.begin(message.get("machine", {}))
        case "progress":
            report.progress(message["done"], message["total"], message["unit"], **message["figures"])
        case "metrics":
            report.metrics(message["figures"], message["step"])
        case "load":
            report.load(message["figures"])
        case "say":
            report.say(message["text"])
        case _:
            return False
    return True


class Messenger:
    """A stage report that sends everything to the driver, and receives the driver's request to stop."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._end: Message | None = None

    def listen(self) -> None:
        """Wait for the driver's request to stop. When the driver has ended, this process ends too."""
        try:
            while True:
                self._end = json.loads(self._channel.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)

    def send(self, event: str, **content: Any) -> None:
        """Send one message."""
        with self._sending:
            self._channel.send_bytes(json.dumps({"event": event, **content}).encode())

    def check(self) -> None:
        """Raise when the driver has asked the stage to stop."""
        if self._end is not None:
            raise unpack_error(self._end)

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        """Show that `done` of `total` units are done. Raises like `check`."""
        self.send("progress", done=int(done), total=int(total), unit=unit, figures=_as_floats(figures))
        self.check()

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Record the metrics of one step."""
        self.send("metrics", figures=_as_floats(figures), step=int(step))

    def say(self, text: str) -> None:
        """Print one line for the user."""
        self.send("say", text=text)


def _as_floats(figures: Mapping[str, float]) -> dict[str, float]:
    # Some values are numpy or torch scalars.
    return {name: float(value) for name, value in figures.items()}
