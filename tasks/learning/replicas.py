"""One step of a training that several replicas of the network share.

Each replica has a slice of the batch, its own random numbers, and its own batch statistics. The gradients are added
over a fixed binary tree of the replicas, so the sum has the same bits however many processes compute them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.learning.randomness import derive_seed, make_generator

if TYPE_CHECKING:
    from tasks.learning.group import Group

Batch = tuple[Tensor, Tensor]
MeasureLoss = Callable[[Batch, torch.Generator], Tensor]
LARGEST_SEED = 2**62
LEAST_EXAMPLES = 2  # of a replica's slice: batch normalisation needs them


@dataclass(frozen=True)
class Replicas:
    """`count` replicas, a power of two; `group` are the processes that compute them, None for this one alone."""

    count: int
    group: Group | None = None

    def list_own(self) -> range:
        """Return the numbers of the replicas that this process computes."""
        size, rank = (self.group.size, self.group.rank) if self.group else (1, 0)
        share = self.count // size
        return range(rank * share, (rank + 1) * share)

    def backward(
        self, network: nn.Module, batch: Batch, generator: torch.Generator, measure_loss: MeasureLoss
    ) -> Tensor:
        """Leave the gradient of the batch's mean loss in the network's weights, and return that loss, detached.

        Running statistics become the mean of the replicas'. Raises UserError when a slice is too small.
        """
        if len(batch[1]) < LEAST_EXAMPLES * self.count:
            raise UserError(
                f"a batch of {len(batch[1])} examples is too small for {self.count} replicas with {LEAST_EXAMPLES} or "
                "more each: set batch_size higher, or compute.replicas lower"
            )
        # The same on all processes, because their generators are.
        seed = int(torch.randint(LARGEST_SEED, (), generator=generator))
        step = _Step(network, batch, seed, self.count, measure_loss)
        total = step.add_up(self.list_own())
        if self.group is not None:
            total = self.group.add_up(total)
        return step.put_back(total)


class _Step:
    """The replicas' gradients, changes of running statistics and losses, each as one flat vector."""

    def __init__(self, network: nn.Module, batch: Batch, seed: int, count: int, measure_loss: MeasureLoss) -> None:
        self._weights = [weight for weight in network.parameters() if weight.requires_grad]
        self._statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        self._counters = [buffer for buffer in network.buffers() if not buffer.is_floating_point()]
        self._before = [buffer.clone() for buffer in self._statistics]
        self._counts = [buffer.clone() for buffer in self._counters]
        self._slices = list(zip(*(part.tensor_split(count) for part in batch), strict=True))
        self._n_examples, self._seed, self._measure_loss = len(batch[1]), seed, measure_loss

    def add_up(self, replicas: range) -> Tensor:
        """Return the sum of the replicas' vectors over a binary tree; the first replica is computed last.

        So the activations that are recorded are those of the first replica.
        """
        if len(replicas) == 1:
            return self._compute(replicas[0])
        half = len(replicas) // 2
        second = self.add_up(replicas[half:])
        return self.add_up(replicas[:half]).add_(second)

    def put_back(self, total: Tensor) -> Tensor:
        """Leave the summed gradients and statistics in the network; return the loss."""
        parts = total.split([1, *(w.numel() for w in self._weights), *(b.numel() for b in self._statistics)])
        gradients, changes = parts[1 : len(self._weights) + 1], parts[len(self._weights) + 1 :]
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = torch.empty_like(weight).copy_(gradient.view(weight.shape))
        for buffer, before, change in zip(self._statistics, self._before, changes, strict=True):
            buffer.copy_(before).add_(change.view(buffer.shape))
        return parts[0].squeeze()

    def _compute(self, replica: int) -> Tensor:
        batch = self._slices[replica]
        share = len(batch[1]) / self._n_examples
        self._restore()
        for weight in self._weights:
            weight.grad = None
        torch.manual_seed(derive_seed(self._seed, replica, "dropout"))
        generator = make_generator(torch.device("cpu"), self._seed, replica)
        loss: Tensor = self._measure_loss(batch, generator) * share
        loss.backward()
        gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in self._weights]
        changes = [(after - before) * share for after, before in zip(self._statistics, self._before, strict=True)]
        return torch.cat([part.detach().reshape(-1).float() for part in (loss, *gradients, *changes)])

    def _restore(self) -> None:
        for buffer, before in zip(self._statistics, self._before, strict=True):
            buffer.copy_(before)
        for buffer, before in zip(self._counters, self._counts, strict=True):
            buffer.copy_(before)
