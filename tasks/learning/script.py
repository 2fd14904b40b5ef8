"""An ensemble's networks, gathered for the one module that is exported."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.learning.export import save_script
from tasks.learning.fitted import Fit, read_fit
from tasks.learning.networks import build_network
from tasks.learning.recipe import NetworkRecipe
from tasks.learning.weights import read_state_dict

R = TypeVar("R", bound=NetworkRecipe)


@dataclass(frozen=True)
class Voter(Generic[R]):
    """One fitted network of the ensemble, and its share in it."""

    fit: Fit
    member: R
    network: nn.Module
    share: float


class View(nn.Module):
    """Networks that read one kind of features, each with its share of the ensemble."""

    def __init__(self, front_end: nn.Module, networks: list[nn.Module], shares: list[float]) -> None:
        super().__init__()
        self.front_end = front_end
        self.networks = nn.ModuleList(networks)
        self.shares = shares

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the weighted sum of the networks' probabilities (batch, classes)."""
        features = self.front_end(inputs)
        told = torch.zeros(1, device=inputs.device)
        for index, network in enumerate(self.networks):
            told = told + self.shares[index] * network(features).softmax(1)
        return told


class Classifier(nn.Module):
    """What the front ends of its views take, to probabilities (batch, classes): the sum of the views' answers."""

    def __init__(self, views: list[View], labels: list[str]) -> None:
        super().__init__()
        self.views = nn.ModuleList(views)
        self.labels = labels

    def forward(self, inputs: Tensor) -> Tensor:
        """Return probabilities."""
        told = torch.zeros(1, device=inputs.device)
        for view in self.views:
            told = told + view(inputs)
        return told


def gather_voters(ensemble: Path, fitted: list[Path], find_member: Callable[[Fit], R]) -> list[Voter[R]]:
    """Return the networks of every round with their shares in the mean over the rounds."""
    rounds = json.loads((ensemble / "ensemble.json").read_text())["rounds"]
    shares = {(name, each["fold"]): w / len(rounds) for each in rounds for name, w in each["weights"].items()}
    fits = [(read_fit(folder), folder) for folder in fitted]
    return [
        Voter(fit, find_member(fit), load_network(folder, fit, find_member(fit)), shares[fit.member, fit.fold])
        for fit, folder in fits
    ]


def write_script(
    model: nn.Module, example: NDArray[np.generic], told: Mapping[str, object], out: Path
) -> NDArray[np.float32]:
    """Write `model.pt`, `example.npy`, `labels.json` and `export.json`; return the answer to the example.

    `told` is what `export.json` says, `labels` among it.
    """
    save_script(model, out / "model.pt")
    np.save(out / "example.npy", example)
    (out / "labels.json").write_text(json.dumps(told["labels"], indent=2) + "\n")
    (out / "export.json").write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")
    with torch.inference_mode():
        answer: NDArray[np.float32] = model(torch.from_numpy(example)).numpy()
    return answer


def load_network(folder: Path, fit: Fit, member: NetworkRecipe) -> nn.Module:
    """Return a fitted network, in evaluation mode."""
    scratch = member.model_copy(update={"weights": "none"})
    network = build_network(scratch, fit.n_classes, fit.input_shape)
    network.load_state_dict(read_state_dict(folder / "state_dict.pt"))
    return network.eval()
