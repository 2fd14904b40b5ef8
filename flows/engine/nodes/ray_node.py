"""One machine's part of a Ray cluster, as a program: it runs until SIGTERM, and nothing of Ray outlives it.

`ray start` would listen on all addresses even when it is given 127.0.0.1, and `ray stop` ends every Ray of the machine.
So this uses the class on which `ray start` is built. It is private to Ray: `ray` is pinned, and tests cover this.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

SLOTS = "trifold_slots"  # the resource that says how many stages a node computes at a time
LOOK_S = 1.0
OBJECTS_BYTES = 80 << 20  # trees and orders pass through Ray, data does not


def main() -> None:
    """Be the head on an address, or join a head; arguments are a JSON object. Writes `ready` when up."""
    settings = json.loads(sys.argv[1])
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    # Ray's sockets are here, and the path of a socket has at most 107 characters: TMPDIR may be too long.
    folder = tempfile.mkdtemp(prefix="tf-", dir="/tmp")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        while not ended.is_set():
            params = RayParams(
                node_ip_address=settings["listen"],
                gcs_address=settings["head"] or None,
                gcs_server_port=settings["port"],
                num_cpus=0,  # others of the same cluster must not compute here by accident
                num_gpus=settings["gpus"],
                resources={SLOTS: settings["slots"]},
                object_store_memory=OBJECTS_BYTES,
                include_log_monitor=False,
                include_dashboard=False,
                dashboard_agent_listen_port=0,
                min_worker_port=0,
                max_worker_port=0,
                temp_dir=folder,
            )
            node = Node(params, head=not settings["head"])
            Path(settings["ready"]).write_text(node.gcs_address)
            # Ray ends a node that the head could not reach for a while: the node then joins anew.
            while not ended.wait(LOOK_S) and (not settings["head"] or node.remaining_processes_alive()):
                pass
            node.kill_all_processes(check_alive=False, allow_graceful=True, wait=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
