"""Opens the nodes that `--on` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from flows.engine.cache.shared import describe_remote
from flows.engine.errors import EngineError
from flows.engine.nodes.cluster import Cluster
from flows.engine.nodes.executor import Executor, compute_here
from flows.engine.nodes.membership import make_environment, require_membership
from flows.engine.nodes.pool import Pool, Transport
from flows.engine.nodes.processes import LocalNodes

RAY = "ray://"
ON = "TRIFOLD_NODES"  # the variable that says for `dvc repro` what `--on` says for `flows run`


def open_pool(on: str) -> Pool | None:
    """Return the nodes that `on` names: `nodes`, `ray://HOST:PORT`, `processes:2`; None when it is empty.

    Raises EngineError when it names none, or when DVC has no default remote. Nothing is started yet.
    """
    if not on:
        return None
    transport = _choose_transport(on)
    describe_remote()
    return Pool(transport)


@contextmanager
def use_nodes(on: str) -> Iterator[Executor]:
    """Yield what computes on the nodes that `on` names, or here when it is empty; then end what runs there."""
    pool = open_pool(on)
    try:
        yield pool.compute if pool else compute_here
    finally:
        if pool:
            pool.close()


def _choose_transport(on: str) -> Transport:
    if on == "nodes":
        return Cluster(require_membership().head, make_environment())
    if on.startswith(RAY):
        return Cluster(on.removeprefix(RAY), os.environ)
    kind, _, count = on.partition(":")
    if kind == "processes" and count.isdecimal() and int(count) >= 1:
        return LocalNodes(int(count))
    raise EngineError(
        f"{on!r} names no nodes: `--on processes:2` computes on two nodes on this machine, `--on nodes` on the "
        f"pool that this machine is in (`python -m flows nodes`), `--on {RAY}HOST:PORT` on another Ray cluster"
    )
