"""Networks of torchvision and timm, with a head for the classes of the data."""

import copy
import difflib
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.learning.blocks import divide_layers
from tasks.learning.lesson import Lesson
from tasks.learning.randomness import isolate_randomness
from tasks.learning.weights import load_weights, read_state_dict

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of the channels of RGB pictures in 0..1, by which the network expects them normalised."""

# What a network raises for an input that it cannot take, and torch for code that TorchScript cannot express.
REFUSALS = (RuntimeError, TypeError, ValueError, AttributeError, AssertionError, LookupError, NotImplementedError)


class LibraryNetwork(nn.Module):
    """A library's network: normalised pictures (batch, 3, height, width) to logits (batch, classes)."""

    def __init__(self, body: nn.Module, heads: Collection[nn.Module], statistics: Statistics) -> None:
        super().__init__()
        self.body = body
        self.head_names = [name for name, module in body.named_modules() if module in heads]
        self.statistics = statistics
        # Some libraries draw weights for a thousand classes: with two, the first losses would be twenty times too high.
        for head in self.list_heads():
            for layer in head.modules():
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    layer.reset_parameters()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits."""
        return self.body(pictures)

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the heads, and the rest in thirds from the last layers to the first."""
        return divide_layers(self.body, self.list_heads())

    def list_heads(self) -> list[nn.Module]:
        """Return the layers whose outputs are logits; most networks have a single one."""
        return [self.body.get_submodule(name) for name in self.head_names]

    def load_trunk(self, weights: Mapping[str, Tensor], source: str) -> None:
        """Load all weights but the heads'. Raises UserError when they are those of another network."""
        load_weights(self.body, weights, source=source, head=[f"{name}." for name in self.head_names])

    def load_file(self, weights: str) -> None:
        """Load the trunk's weights from the path of a state_dict."""
        self.load_trunk(read_state_dict(Path(weights)), weights)


def refuse_unknown(model: str, known: Collection[str], library: str) -> None:
    """Raise UserError, with the nearest names, unless the library has a model of this name."""
    if model not in known:
        near = difflib.get_close_matches(model, known, n=5, cutoff=0.5)
        hint = f"the nearest names are {', '.join(near)}" if near else "no name is similar"
        raise UserError(f"model {model}: {library} has no such model for pictures; {hint}")


def check_network(network: nn.Module, model: str, lesson: Lesson) -> None:
    """Try an untrained network on two examples and in TorchScript; raise UserError if it would fail later."""
    trial = copy.deepcopy(network).train()
    inputs = lesson.transforms.prepare(lesson.parts.train.fetch(torch.arange(2))[0])
    try:
        with torch.no_grad(), isolate_randomness(torch.device("cpu"), lesson.seed, "trial"):
            logits = trial(inputs)
    except REFUSALS as error:
        raise UserError(
            f"model {model} cannot take inputs of {tuple(inputs.shape[1:])} ({_shorten(error)}): "
            "change the size of the input, or choose another model"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (2, lesson.n_classes):
        raise UserError(f"model {model} returns more than logits in training: choose another model")
    try:
        torch.jit.script(trial.eval())
    except REFUSALS as error:
        raise UserError(
            f"model {model} cannot be exported as TorchScript ({_shorten(error)}): choose another model"
        ) from error


def _shorten(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
