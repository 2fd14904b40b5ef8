"""Nodes on this machine: each is a folder below `.trifold/nodes` with a part of the cores and GPUs."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence

from flows.engine.machine import name_gpus
from flows.engine.nodes.node import Node
from flows.engine.nodes.program import CORES
from flows.engine.nodes.tree import Tree
from flows.engine.project import STATE


class LocalSlot:
    """One node on this machine."""

    def __init__(self, number: int, cores: Sequence[int], gpus: Sequence[int]) -> None:
        self.name = f"node{number}"
        parts = {CORES: cores, "CUDA_VISIBLE_DEVICES": gpus}
        env = {name: ",".join(map(str, part)) for name, part in parts.items() if part}
        self._node = Node(STATE / "nodes" / self.name, env)

    def compute(self, order: str, tree: Tree) -> Generator[str]:
        """Compute a stage in a process of this machine."""
        return self._node.compute(order, tree.name, tree.content)

    def close(self) -> None:
        """End the node's program."""
        self._node.close()


def open_slots(count: int) -> list[LocalSlot]:
    """Return nodes that share this machine's cores and GPUs; with more nodes than cores, some share a core."""
    cores, gpus = _list_cores(), range(len(name_gpus()))
    return [LocalSlot(number + 1, _share(cores, number, count), gpus[number::count]) for number in range(count)]


def _list_cores() -> list[int]:
    """Return the numbers of the cores that this process may use; none where the system binds no process to cores."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _share(cores: Sequence[int], number: int, count: int) -> Sequence[int]:
    return cores[number::count] or [cores[number % len(cores)]] if cores else []
