"""The functions that turn a batch, as it is stored on disk, into a network's input."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.learning.mixing import encode_one_hot

Prepare = Callable[[Tensor], Tensor]
"""Turns a batch of features, already on its device, into the network's input (float32)."""

AugmentInputs = Callable[[Tensor, torch.Generator], Tensor]
"""Augments the inputs of a prepared batch, each with random numbers of its own from the generator (on the cpu)."""

AugmentBatch = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""Augments the inputs of a prepared batch and mixes them with their targets (batch, classes); in training only."""

MakeTargets = Callable[[Tensor, Tensor, int], Tensor]
"""Makes the targets of a prepared batch from its inputs, its labels (batch) and the number of classes."""

WrapNetwork = Callable[[nn.Module], nn.Module]
"""Wraps a trained network for prediction, for example to average over an input and its mirror image."""


def to_float(batch: Tensor) -> Tensor:
    """Return the batch as float32."""
    return batch.float()


def keep_network(network: nn.Module) -> nn.Module:
    """Return the network as it is."""
    return network


def keep_batch(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return inputs and targets as they are."""
    return inputs, targets


def encode_labels(inputs: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Return the labels as one-hot rows (batch, n_classes)."""
    return encode_one_hot(labels, n_classes)


@dataclass(frozen=True)
class Transforms:
    """How a batch is transformed: `prepare` always, then in training `make_targets` and `augment`.

    `wrap` wraps the trained network for prediction.
    """

    prepare: Prepare = to_float
    make_targets: MakeTargets = encode_labels
    augment: AugmentBatch = keep_batch
    wrap: WrapNetwork = keep_network
