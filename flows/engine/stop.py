"""When work ends early: because someone asked for that, or because it took too long."""

from __future__ import annotations

import os
import time

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
