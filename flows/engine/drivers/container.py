"""One deployed run in a container that may be new: `python -m flows.engine.drivers.container`, see deploy/pool.json.

Each stage asks DVC's remote for its result before it computes, and sends it afterwards. Before the container ends, what
is not yet sent goes to DVC's remote and to MLflow, because the container's disk may be lost. SIGTERM is forwarded: the
run stops at its next batch.
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
    """Return the run's exit status; 1 when the run succeeded, but DVC's remote lacks a result of it."""
    ended = _call("prefect.engine")
    kept = _call("flows.engine.cache.shared")
    if count_waiting(ROOT).journals and (waiting := wait_sent(ROOT, start_sender(ROOT), timeout_s=SEND_S)).journals:
        say(str(waiting))
    stop_sender(ROOT)
    return ended or kept


def _call(*module: str) -> int:
    """Run a module in a child process and forward SIGTERM to it; return its exit status."""
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
