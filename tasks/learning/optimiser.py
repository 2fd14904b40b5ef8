"""The optimiser of a training, and the learning rate of each layer group."""

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.optim import AdamW

from tasks.learning.layers import list_layer_groups
from tasks.learning.muon import Muon
from tasks.learning.recipe import Recipe


def make_optimiser(network: nn.Module, recipe: Recipe, lr: float) -> AdamW:
    """Return the recipe's optimiser for the trainable parameters; the head has the rate `lr`."""
    kind = Muon if recipe.optimiser == "muon" else AdamW
    return kind(group_parameters(network, recipe, lr), fused=True)


def group_parameters(network: nn.Module, recipe: Recipe, lr: float) -> list[dict[str, Any]]:
    """Return an optimiser's parameter groups: biases and scales without decay, convolutions' kernels marked.

    From given weights, each layer group has the rate of the one before it, from the head to the input, divided by the
    recipe's divisor. From random weights all layers learn at the same rate.
    """
    divisor = 1.0 if recipe.is_from_scratch() else recipe.get_rate_divisor()
    groups: list[dict[str, Any]] = []
    for index, layers in enumerate(list_layer_groups(network)):
        share = divisor**-index
        learning = [p for layer in layers for p in layer.parameters() if p.requires_grad]
        groups += [group | {"lr": lr * share} for group in _split_decay(learning, recipe.weight_decay)]
    return groups


def _split_decay(parameters: list[nn.Parameter], weight_decay: float) -> Iterator[dict[str, Any]]:
    kernels = [p for p in parameters if p.ndim > 2]
    matrices = [p for p in parameters if p.ndim == 2]
    vectors = [p for p in parameters if p.ndim < 2]
    for members, decay in ((kernels, weight_decay), (matrices, weight_decay), (vectors, 0.0)):
        if members:
            yield {"params": members, "weight_decay": decay, "kernels": members is kernels}
