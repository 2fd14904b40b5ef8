"""How a batch as it lies on disk becomes what a network is shown."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.learning.mixing import spread_labels

Prepare = Callable[[Tensor], Tensor]
"""Turns a batch of features, moved to its device, into the network's input (float32)."""

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Changes a prepared batch on its device; each example draws for itself from the generator (on the cpu)."""

Judge = Callable[[nn.Module], nn.Module]
"""Wraps a trained network for the examples that it judges, such as one that looks at each twice."""

Alter = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""Changes inputs and targets (batch, classes) of a prepared batch in training: augments and mixes."""


Aim = Callable[[Tensor, Tensor, int], Tensor]
"""Says what a network should answer to a prepared batch, from its inputs, labels (batch) and number of classes."""


def to_float(batch: Tensor) -> Tensor:
    """Return the batch as float32."""
    return batch.float()


def look_once(network: nn.Module) -> nn.Module:
    """Let the network judge an example as it is."""
    return network


def keep_as_is(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Change nothing."""
    return inputs, targets


def aim_at_labels(inputs: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Return the labels as rows of probabilities (batch, n_classes)."""
    return spread_labels(labels, n_classes)


@dataclass(frozen=True)
class Views:
    """What is done to a batch before a network sees it: `prepare` always, then `aim` and `alter` in training.

    `judge` wraps the trained network.
    """

    prepare: Prepare = to_float
    aim: Aim = aim_at_labels
    alter: Alter = keep_as_is
    judge: Judge = look_once
