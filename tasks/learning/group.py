"""The processes of this machine that train one network together, each on a share of the cores or a GPU of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

import torch
import torch.distributed as dist
from torch import Tensor

from tasks.errors import UserError
from tasks.learning.device import Device
from tasks.machine import count_cores

PATIENCE = timedelta(minutes=5)  # for the slowest process at each step, the longest of which is the import of torch
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"

Help = Callable[["Group"], None]
"""Does in another process, with its own place in the group, what this process does: trains the same network."""


@dataclass(frozen=True)
class Group:
    """This process's number `rank` among `size`, a power of two."""

    rank: int
    size: int

    def add_up(self, total: Tensor) -> Tensor:
        """Return the sum of the processes' tensors over a binary tree: the same bits in each process.

        In each round a process adds the sum of the processes beside it. Raises UserError when one of them has ended.
        """
        distance = 1
        while distance < self.size:
            theirs = torch.empty_like(total)
            self._swap(total, theirs, self.rank ^ distance)
            total = total + theirs
            distance *= 2
        return total

    def _swap(self, ours: Tensor, theirs: Tensor, other: int) -> None:
        try:
            swap = [dist.P2POp(dist.isend, ours, other), dist.P2POp(dist.irecv, theirs, other)]
            for request in dist.batch_isend_irecv(swap):
                request.wait()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                "one of the processes that train this network together has ended, perhaps for want of memory: run "
                f"again to go on from the last epoch ({reason})"
            ) from error


def count_processes(device: Device) -> int:
    """Return how many processes can share the training's replicas: a power of two.

    Each needs the training's threads, or a GPU.
    """
    places = torch.cuda.device_count() if device.torch_device.type == "cuda" else count_cores() // device.threads
    return 1 << (max(1, min(device.replicas, places)).bit_length() - 1)


@contextmanager
def form_group(size: int, device: Device, work: Help) -> Iterator[Group | None]:
    """Start the other processes of a group of `size` with `work`, and end them afterwards; None for this process alone.

    They listen on the loopback interface only, and end when this process does.
    """
    if size == 1:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        where, kind = f"file://{folder}/meeting", device.torch_device.type
        context = get_context("spawn")
        others = [
            context.Process(target=_work, args=(Group(rank, size), where, kind, work), daemon=True)
            for rank in range(1, size)
        ]
        try:
            for other in others:
                other.start()
            _meet(Group(0, size), where, kind)
            yield Group(0, size)
        finally:
            _end(others)


def _meet(group: Group, where: str, kind: str) -> None:
    for library in ("GLOO", "NCCL"):
        os.putenv(f"{library}_SOCKET_IFNAME", LOOPBACK)  # otherwise they would listen on an outer address
    if kind == "cuda":
        torch.cuda.set_device(group.rank)
    backend = "nccl" if kind == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, init_method=where, rank=group.rank, world_size=group.size, timeout=PATIENCE)
    except RuntimeError as error:
        raise UserError(f"the {group.size} processes of this training did not meet: {error}") from error


def _work(group: Group, where: str, kind: str, work: Help) -> None:
    try:
        _meet(group, where, kind)
        work(group)
    except UserError:
        sys.exit(1)  # the first process reports the error


def _end(others: Sequence[BaseProcess]) -> None:
    for other in others:
        other.kill()
        other.join()
    if dist.is_initialized():
        dist.destroy_process_group()
