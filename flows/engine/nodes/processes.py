"""Nodes on this machine: each is a folder below `.trifold/nodes` with a part of the cores and GPUs."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence

from flows.engine.machine import name_gpus
from flows.engine.nodes.node import Node
from flows.engine.nodes.tree import Tree
from flows.engine.project import STATE


class LocalSlot:
    """One node on this machine."""

    def __init__(self, number: int, cores: Sequence[int], gpus: Sequence[int]) -> None:
        self.name = f"node{number}"
        env = {"TRIFOLD_CORES": ",".join(map(str, cores))}
        if gpus:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
        self._node = Node(STATE / "nodes" / self.name, env)

    def compute(self, order: str, tree: Tree) -> Generator[str]:
        """Compute a stage in a process of this machine."""
        return self._node.compute(order, tree.name, tree.content)

    def close(self) -> None:
        """End the node's program."""
        self._node.close()


def open_slots(count: int) -> list[LocalSlot]:
    """Return nodes that share this machine's cores and GPUs; with more nodes than cores, some share a core."""
    cores, gpus = sorted(os.sched_getaffinity(0)), range(len(name_gpus()))
    return [
        LocalSlot(number + 1, cores[number::count] or [cores[number % len(cores)]], gpus[number::count])
        for number in range(count)
    ]
