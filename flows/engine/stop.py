"""When work ends early: because someone asked for that, or because it took too long."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path
from types import FrameType

from flows.engine.errors import EngineError

LIMIT = "TRIFOLD_STAGE_LIMIT_S"
# A night: what takes longer has most likely come to stand.
USUAL_LIMIT_S = 12 * 3600.0
# A batch or a block is over by then; what is not is in one native call: its process is killed.
GRACE_S = 20.0


class StoppedError(EngineError):
    """The run was asked to stop, and the stage did so."""


class LateError(EngineError):
    """The stage took longer than stages may."""


class Stop:
    """Whether a run was asked to stop, and since when; and how long its stages may take."""

    def __init__(self) -> None:
        """Raise EngineError when the environment holds no sensible limit."""
        self._asked_s: float | None = None
        self.limit_s = read_limit_s()

    @property
    def asked(self) -> bool:
        return self._asked_s is not None

    def ask(self) -> None:
        """Have each stage under way end at its next batch or block."""
        self._asked_s = time.monotonic()

    def check(self, stage: str, *, grace_s: float = 0.0) -> None:
        """Raise StoppedError when the stop was asked for `grace_s` ago."""
        if self._asked_s is not None and time.monotonic() - self._asked_s >= grace_s:
            raise StoppedError(f"{stage} was stopped: run again, it goes on from what is finished")


def end_at_hangup() -> None:
    """Have SIGHUP, sent when the terminal is closed, end this process as Ctrl-C does; nohup's ignoring it stays."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _end)


def _end(number: int, frame: FrameType | None) -> None:
    # Both the kernel and the shell may send it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A terminal that is gone, or a pipe to what ended with it, takes no more lines: each would raise.
    with Path(os.devnull).open("w") as nowhere:
        for stream in (1, 2):
            if not stat.S_ISREG(os.fstat(stream).st_mode):
                os.dup2(nowhere.fileno(), stream)
    raise KeyboardInterrupt


def read_limit_s() -> float:
    """Return how long a stage may take, seconds. Raises EngineError when the environment holds no such number."""
    text = os.environ.get(LIMIT, str(USUAL_LIMIT_S))
    try:
        limit_s = float(text)
    except ValueError:
        limit_s = 0.0
    if not limit_s > 0:
        raise EngineError(f"{LIMIT} is {text!r}: set it to the seconds that a stage may take, or leave it out")
    return limit_s
