"""Groups of layers, from the head to the input, and freezing them."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tasks.learning.recipe import BatchNorm


@runtime_checkable
class Grouped(Protocol):
    """A network that defines its own layer groups."""

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the layers in groups, the head first; each later group has a lower learning rate."""


class Normalise(nn.Module):
    """Subtract a mean and divide by a standard deviation per band; both are stored with the weights.

    Input (batch, bands, frames), or (batch, samples) with a single band.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_bands, 1))
        self.register_buffer("std", torch.ones(n_bands, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of mean 0 and standard deviation 1."""
        return (features - self.mean) / self.std

    def measure(self, bands: Tensor) -> None:
        """Set the measured mean and standard deviation, (2, bands)."""
        self.mean.copy_(bands[0].unsqueeze(1))
        self.std.copy_(bands[1].unsqueeze(1).clamp(min=1e-5))


def list_layer_groups(network: nn.Module) -> list[list[nn.Module]]:
    """Return the network's own groups, or the whole network as a single group."""
    return network.layer_groups() if isinstance(network, Grouped) else [[network]]


def choose_learning(network: nn.Module, n_groups: int, *, batch_norm: BatchNorm) -> None:
    """Make the first `n_groups` layer groups trainable; frozen layers keep weights and running statistics.

    With `always` every batch normalisation stays trainable and updates its statistics; with `never` none does, because
    the statistics of a few small batches would spoil published weights.
    """
    network.requires_grad_(True)
    for group in list_layer_groups(network)[n_groups:]:
        for layer in group:
            layer.requires_grad_(False)
    if batch_norm != "with_layers":
        for layer in _list_batch_norms(network):
            layer.requires_grad_(batch_norm == "always")


def set_training(network: nn.Module) -> None:
    """Switch to training mode, except where a frozen batch normalisation keeps its statistics."""
    network.train()
    for layer in _list_batch_norms(network):
        if layer.affine and not layer.weight.requires_grad:
            layer.eval()


def _list_batch_norms(network: nn.Module) -> list[_BatchNorm]:
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
