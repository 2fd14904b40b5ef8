"""Stopping a stage early: because a user asked for it, or because it took too long."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path
from types import FrameType

from flows.engine.errors import EngineError

LIMIT = "TRIFOLD_STAGE_LIMIT_S"
# One night; a longer stage has most likely hung.
USUAL_LIMIT_S = 12 * 3600.0
# A batch or block ends within this time, seconds. A stage that runs on is in one native call and is killed.
GRACE_S = 20.0


class StoppedError(EngineError):
    """The stage was stopped because the run was asked to stop."""


class LateError(EngineError):
    """The stage was stopped because it took longer than the limit."""


class Stop:
    """Whether and when a run was asked to stop, and the time limit of its stages."""

    def __init__(self) -> None:
        """Raises EngineError when the limit in the environment is invalid."""
        self._asked_s: float | None = None
        self.limit_s = read_limit_s()

    @property
    def asked(self) -> bool:
        return self._asked_s is not None

    def ask(self) -> None:
        """Stop each running stage at its next batch or block."""
        self._asked_s = time.monotonic()

    def check(self, stage: str, *, grace_s: float = 0.0) -> None:
        """Raise StoppedError when the stop was requested at least `grace_s` ago."""
        if self._asked_s is not None and time.monotonic() - self._asked_s >= grace_s:
            raise StoppedError(f"{stage} was stopped: run again to resume it")


def end_at_hangup() -> None:
    """Handle SIGHUP (a closed terminal) like Ctrl-C, unless nohup made this process ignore it."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _end)


def _end(number: int, frame: FrameType | None) -> None:
    # Both the kernel and the shell may send SIGHUP.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Writing to a closed terminal, or to a pipe whose reader has ended, would raise.
    with Path(os.devnull).open("w") as nowhere:
        for stream in (1, 2):
            if not stat.S_ISREG(os.fstat(stream).st_mode):
                os.dup2(nowhere.fileno(), stream)
    raise KeyboardInterrupt


def read_limit_s() -> float:
    """Return the time limit of a stage, seconds. Raises EngineError when the environment's value is no number."""
    text = os.environ.get(LIMIT, str(USUAL_LIMIT_S))
    try:
        limit_s = float(text)
    except ValueError:
        limit_s = 0.0
    if not limit_s > 0:
        raise EngineError(
            f"{LIMIT} is {text!r}, but must be a stage's time limit in seconds: set it, or `unset {LIMIT}`"
        )
    return limit_s
