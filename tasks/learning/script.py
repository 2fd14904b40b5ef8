"""The ensemble's networks, combined in the module that is exported."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.learning.ensemble import Ensemble
from tasks.learning.fitted import Fit, read_fit
from tasks.learning.networks import Buildable, build_network
from tasks.learning.torchscript import save_script
from tasks.learning.weights import read_state_dict

R = TypeVar("R", bound=Buildable)


@dataclass(frozen=True)
class Voter(Generic[R]):
    """A fitted network of the ensemble, and its share in the mean."""

    fit: Fit
    member: R
    network: nn.Module
    share: float


class View(nn.Module):
    """The networks that read the same kind of features, each with its share in the ensemble's mean."""

    def __init__(self, front_end: nn.Module, networks: list[nn.Module], shares: list[float]) -> None:
        super().__init__()
        self.front_end = front_end
        self.networks = nn.ModuleList(networks)
        self.shares = shares

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighted sum of the networks' probabilities (batch, classes), given the front end's features."""
        probabilities = torch.zeros(1, device=features.device)
        for index, network in enumerate(self.networks):
            probabilities = probabilities + self.shares[index] * network(features).softmax(1)
        return probabilities


class Classifier(nn.Module):
    """Maps the inputs of the views' front ends to probabilities (batch, classes), the sum over the views.

    The logarithms of the sum, divided by `temperature`, are the logits of the probabilities. `prepare` and `classify`
    are the two halves of `forward`: prepared inputs of different sizes can be classified in one batch.
    """

    def __init__(self, views: list[View], labels: list[str]) -> None:
        super().__init__()
        self.front_ends = nn.ModuleList(view.front_end for view in views)
        self.views = nn.ModuleList(views)
        self.labels = labels
        self.temperature = 1.0

    def forward(self, inputs: Tensor) -> Tensor:
        """Return probabilities."""
        return self.classify(self.prepare(inputs))

    @torch.jit.export
    def prepare(self, inputs: Tensor) -> list[Tensor]:
        """Return the features of each view."""
        features: list[Tensor] = []
        for front_end in self.front_ends:
            features.append(front_end(inputs))
        return features

    @torch.jit.export
    def classify(self, features: list[Tensor]) -> Tensor:
        """Return probabilities, given the features of each view."""
        total = torch.zeros(1, device=features[0].device)
        for index, view in enumerate(self.views):
            total = total + view(features[index])
        return (total.clamp(min=1e-9).log() / self.temperature).softmax(1)  # `scale_probabilities` in numpy


@dataclass(frozen=True)
class Assembled:
    """A domain's exported model, and a batch to try it on.

    `facts` are added to `export.json`, which also has labels, members and the number of networks. `files` are the
    contents of the other files that `predict` needs, by name.
    """

    model: Classifier
    example: NDArray[np.generic]
    facts: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Export:
    """The inputs of an export: the folders of the ensemble and its fits, the classes, and the settings."""

    ensemble: Path
    fitted: list[Path]
    labels: list[str]
    members: Mapping[str, Buildable]
    settings: Ensemble
    inputs: Mapping[str, Any]


def write_model(export: Export, out: Path) -> NDArray[np.float32]:
    """Write the files that `export_ensemble` names; return the Python model's probabilities for the example."""
    voters = gather_voters(export.ensemble, export.fitted, export.members)
    assembled = export.settings.assemble(voters, export.labels, **export.inputs)
    assembled.model.temperature = json.loads((export.ensemble / "ensemble.json").read_text())["temperature"]
    members = sorted({voter.fit.member for voter in voters})
    facts = {"labels": export.labels, "members": members, "networks": len(voters), **assembled.facts}
    save_script(assembled.model, out / "model.pt")
    np.save(out / "example.npy", assembled.example)
    (out / "labels.json").write_text(json.dumps(export.labels, indent=2) + "\n")
    (out / "export.json").write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")
    for name, content in assembled.files.items():
        (out / name).write_bytes(content)
    with torch.inference_mode():
        probabilities: NDArray[np.float32] = assembled.model(torch.from_numpy(assembled.example)).numpy()
    return probabilities


def gather_voters(ensemble: Path, fitted: list[Path], members: Mapping[str, R]) -> list[Voter[R]]:
    """Return the networks of every round that have a weight, with their shares in the mean over the rounds."""
    rounds = json.loads((ensemble / "ensemble.json").read_text())["rounds"]
    shares = {(name, each["fold"]): w / len(rounds) for each in rounds for name, w in each["weights"].items()}
    voters = []
    for folder in fitted:
        fit = read_fit(folder)
        if share := shares[fit.label, fit.fold]:
            network = load_network(folder, fit, members[fit.member])
            voters.append(Voter(fit, members[fit.member], network, share))
    return voters


def load_network(folder: Path, fit: Fit, member: Buildable) -> nn.Module:
    """Return a fitted network, in evaluation mode."""
    network = build_network(member.without_weights(), fit.n_classes, fit.input_shape)
    network.load_state_dict(read_state_dict(folder / "state_dict.pt"))
    return network.eval()
