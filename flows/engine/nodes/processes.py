"""Nodes on this machine: each is a folder below `.trifold/nodes` with a part of the cores and GPUs."""

from __future__ import annotations

from collections.abc import Generator

from flows.engine.machine import list_gpus
from flows.engine.nodes.node import Node, limit
from flows.engine.nodes.pool import Pool
from flows.engine.nodes.tree import Tree
from flows.engine.project import STATE


class LocalSlot:
    """One node on this machine."""

    def __init__(self, number: int, count: int) -> None:
        self.name = f"node{number + 1}"
        self._node = Node(STATE / "nodes" / self.name, limit(number, count, list_gpus()))

    def compute(self, order: str, tree: Tree) -> Generator[str]:
        """Compute a stage in a process of this machine."""
        return self._node.compute(order, tree.name, tree.content)

    def close(self) -> None:
        """End the node's program."""
        self._node.close()


class LocalNodes:
    """Nodes that share this machine's cores and GPUs."""

    def __init__(self, count: int) -> None:
        self._slots = [LocalSlot(number, count) for number in range(count)]

    def open(self, pool: Pool) -> None:
        """Add the nodes to the pool; each starts its program with its first stage."""
        for slot in self._slots:
            pool.add(slot)

    def close(self) -> None:
        """End the nodes' programs."""
        for slot in self._slots:
            slot.close()
