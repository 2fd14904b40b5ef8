"""Prefect's worker, as `python -m flows.engine.servers.worker`.

Its end goes by SIGINT, which a shell has its background processes ignore; so does the one that starts servers here.
"""

import runpy
import signal
import sys

from flows.engine.servers.kinds import POOL


def main() -> None:
    """Run `prefect worker start`, which answers on the port that its environment names whether it still polls."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--with-healthcheck"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
