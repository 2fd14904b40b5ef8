"""A server that ends by itself: `python -m flows.engine.servers.watched ROOT IDLE_S CHECK_S MODULE ARGUMENTS`.

It runs `python -m MODULE ARGUMENTS` in this process. A thread checks whether the project's folder still exists and
whether any client was connected to one of the project's servers lately.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

from flows.engine.servers.server import STOP_S, has_clients


def main(root: Path, idle_s: float, check_s: float, *command: str) -> None:
    """Run the server until it ends, its project's folder is gone, or no client was connected for `idle_s`."""
    # Prefect's worker is stopped with SIGINT, which a shell makes background processes ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_watch, args=(root, idle_s, check_s), daemon=True).start()
    sys.argv = list(command)
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


def _watch(root: Path, idle_s: float, check_s: float) -> None:
    used_s = time.monotonic()
    while (root / ".trifold").is_dir() and time.monotonic() - used_s < idle_s:
        time.sleep(check_s)
        if has_clients(root):
            used_s = time.monotonic()
    # This process leads its own group, which holds all processes that it started.
    os.killpg(os.getpgid(0), signal.SIGTERM)
    time.sleep(STOP_S)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
