"""Opens the nodes that `--on` names."""

from __future__ import annotations

from flows.engine.cache.shared import describe_remote
from flows.engine.errors import EngineError
from flows.engine.nodes.pool import Pool
from flows.engine.nodes.processes import open_slots

PROCESSES = "processes"


def open_pool(on: str) -> Pool | None:
    """Return the nodes that `on` names, such as `processes:2`; None when it is empty.

    Raises EngineError when it names none, or when DVC has no default remote. Nothing is started yet.
    """
    if not on:
        return None
    kind, _, count = on.partition(":")
    if kind != PROCESSES or not count.isdecimal() or int(count) < 1:
        raise EngineError(f"--on {on!r} names no nodes: `--on processes:2` computes on two nodes on this machine")
    describe_remote()
    return Pool(open_slots(int(count)))
