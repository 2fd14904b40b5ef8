"""How a batch as it lies on disk becomes what a network is shown."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Prepare = Callable[[Tensor], Tensor]
"""Turns a batch of features, moved to its device, into the network's input (float32)."""

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Alters a prepared batch on its device; each example draws for itself from the generator (on the cpu)."""

Mix = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""Blends the inputs and targets (batch, classes) of a batch."""


def to_float(batch: Tensor) -> Tensor:
    """Return the batch as float32."""
    return batch.float()


def show_once(batch: Tensor) -> Tensor:
    """Show a prepared batch as it is."""
    return batch


def keep_as_is(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Augment nothing."""
    return batch


def keep_apart(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix nothing."""
    return inputs, targets


@dataclass(frozen=True)
class Views:
    """What is done to a batch before a network sees it: `prepare` always, the others in training only.

    `turns` are the ways in which an example is shown when it is judged; the answers are averaged.
    """

    prepare: Prepare = to_float
    augment: Augment = keep_as_is
    mix: Mix = keep_apart
    turns: tuple[Prepare, ...] = (show_once,)
