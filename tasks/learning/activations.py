"""Statistics of the layers' outputs during training."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.Embedding, nn.EmbeddingBag, nn.RNNBase)


@dataclass
class Activations:
    """Mean and standard deviation of each layer's output, by the layer's name, of the last batch."""

    mean: dict[str, Tensor] = field(default_factory=dict)
    std: dict[str, Tensor] = field(default_factory=dict)

    def rows(self, epoch: int) -> list[dict[str, Any]]:
        """Return a row (epoch, layer, mean, std) for each layer, in the order in which they ran."""
        return [
            {"epoch": epoch, "layer": name, "mean": float(mean), "std": float(self.std[name])}
            for name, mean in self.mean.items()
        ]


@contextmanager
def watch_layers(network: nn.Module) -> Iterator[Activations]:
    """Record the outputs of convolutional, linear, embedding and recurrent layers inside the block.

    The hooks are removed at its end, whatever happens in it.
    """
    activations = Activations()
    hooks = [
        layer.register_forward_hook(_record_as(name, activations))
        for name, layer in network.named_modules()
        if isinstance(layer, LAYERS)
    ]
    try:
        yield activations
    finally:
        for hook in hooks:
            hook.remove()


def _record_as(name: str, activations: Activations) -> Any:
    @torch.no_grad()
    def record(layer: nn.Module, inputs: Any, output: Any) -> None:
        values = (output[0] if isinstance(output, tuple) else output).detach().float()
        activations.std[name], activations.mean[name] = torch.std_mean(values)

    return record
