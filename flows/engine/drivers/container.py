"""One deployed run in a container that may be new: `python -m flows.engine.drivers.container`, see deploy/pool.json.

What earlier runs made comes from DVC's remote first. What this one made goes there before the container ends, and
MLflow is told the rest, since nothing else may outlive it. SIGTERM goes on to the run, which stops at its next batch.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

from flows.engine.console import say
from flows.engine.project import ROOT
from flows.engine.tracking.journal import count_waiting, start_sender, stop_sender, wait_sent

SEND_S = 600.0


def main() -> int:
    """Return the run's exit status, or DVC's where the run went well and its results could not be handed on."""
    if _call("flows.engine.cache.remote"):
        say("not all was brought from DVC's remote: what is missing is computed")
    ended = _call("prefect.engine")
    kept = _call("dvc", "push", "--run-cache")
    if count_waiting(ROOT).journals and (waiting := wait_sent(ROOT, start_sender(ROOT), timeout_s=SEND_S)).journals:
        say(str(waiting))
    stop_sender(ROOT)
    return ended or kept


def _call(*module: str) -> int:
    """Run a module to its end, and hand on what asks this process to end."""
    child = subprocess.Popen([sys.executable, "-m", *module], cwd=ROOT)

    def hand_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    before = signal.signal(signal.SIGTERM, hand_on)
    try:
        return child.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
