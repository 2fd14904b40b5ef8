"""Groups of layers, from the head down, and which of them learn."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Grouped(Protocol):
    """A network that says which of its layers belong together."""

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the layers in groups, the head first; each later group learns slower."""


class Normalise(nn.Module):
    """Subtract a mean and divide by a standard deviation per band; both travel with the weights.

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
        """Take over the measured mean and standard deviation, (2, bands)."""
        self.mean.copy_(bands[0].unsqueeze(1))
        self.std.copy_(bands[1].unsqueeze(1).clamp(min=1e-5))


def list_layer_groups(network: nn.Module) -> list[list[nn.Module]]:
    """Return the network's own groups, or all of it as one."""
    return network.layer_groups() if isinstance(network, Grouped) else [[network]]


def freeze_all_but(n_groups: int, network: nn.Module, *, train_batch_norm: bool) -> None:
    """Let only the first layer groups, from the head down, learn; the others keep weights and running statistics.

    With `train_batch_norm` every batch normalisation goes on learning and measuring.
    """
    for group in list_layer_groups(network)[n_groups:]:
        for layer in group:
            layer.requires_grad_(False)
    if train_batch_norm:
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.requires_grad_(True)


def unfreeze(network: nn.Module) -> None:
    """Let every layer learn."""
    network.requires_grad_(True)


def set_training(network: nn.Module) -> None:
    """Switch to training mode, except where a frozen batch normalisation keeps its statistics."""
    network.train()
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.affine and not layer.weight.requires_grad:
            layer.eval()
