"""The ensemble as one module from waveforms to probabilities, as it is exported."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchaudio.transforms import Resample

from tasks.audio.front_end import LogMel, pad_or_trim
from tasks.audio.member import Member
from tasks.audio.networks import build_network
from tasks.audio.sections import Spectrogram, Waveform
from tasks.learning.export import save_script
from tasks.learning.fitted import Fit, read_fit
from tasks.learning.weights import read_state_dict

EXAMPLE_CLIPS = 2


class View(nn.Module):
    """Members that read one kind of features, each with its weight."""

    def __init__(self, front_end: nn.Module, networks: list[nn.Module], weights: list[float]) -> None:
        super().__init__()
        self.front_end = front_end
        self.networks = nn.ModuleList(networks)
        self.weights = weights

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the weighted sum of the members' probabilities (batch, classes)."""
        features = self.front_end(waveforms)
        told = torch.zeros(1, device=waveforms.device)
        for index, network in enumerate(self.networks):
            told = told + self.weights[index] * network(features).softmax(1)
        return told


class Fixed(nn.Module):
    """Waveforms at the rate and of the length that a front end was made for."""

    def __init__(self, rate_hz: int, waveform: Waveform) -> None:
        super().__init__()
        same = rate_hz == waveform.sample_rate_hz
        self.resample = nn.Identity() if same else Resample(rate_hz, waveform.sample_rate_hz)
        self.n_samples = waveform.n_samples

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return waveforms (batch, n_samples)."""
        return pad_or_trim(self.resample(waveforms), self.n_samples)


class SoundClassifier(nn.Module):
    """Waveforms (batch, samples) float32 at `sample_rate_hz` to probabilities (batch, classes).

    `n_samples` is the length it was made for; others are padded with zeros or trimmed.
    """

    def __init__(self, views: list[View], labels: list[str], sample_rate_hz: int, n_samples: int) -> None:
        super().__init__()
        self.views = nn.ModuleList(views)
        self.labels = labels
        self.sample_rate_hz = sample_rate_hz
        self.n_samples = n_samples

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return probabilities."""
        told = torch.zeros(1, device=waveforms.device)
        for view in self.views:
            told = told + view(waveforms)
        return told


@dataclass(frozen=True)
class FrontEnds:
    """The settings of each kind of features that members read."""

    by_kind: Mapping[str, Waveform]

    @property
    def rate_hz(self) -> int:
        """The highest rate among them: nothing that a member could hear is lost."""
        return max(each.sample_rate_hz for each in self.by_kind.values())

    @property
    def n_samples(self) -> int:
        """The longest clip, in samples at `rate_hz`."""
        return round(max(each.clip_s for each in self.by_kind.values()) * self.rate_hz)

    def make(self, kind: str) -> nn.Module:
        """Return the module from waveforms at `rate_hz` to features."""
        settings = self.by_kind[kind]
        fixed = Fixed(self.rate_hz, settings)
        return nn.Sequential(fixed, LogMel(settings)) if isinstance(settings, Spectrogram) else fixed


def write_model(
    ensemble: Path,
    fitted: list[Path],
    features: list[Path],
    labels: list[str],
    members: Mapping[str, Member],
    out: Path,
) -> NDArray[np.float32]:
    """Write the exported files (see `export_torchscript`); return the Python model's answer to the example."""
    front_ends = read_front_ends(features)
    model = assemble(ensemble, fitted, front_ends, labels, members)
    save_script(model, out / "model.pt")
    example = draw_example(front_ends)
    np.save(out / "example.npy", example)
    told = {
        "labels": labels,
        "members": sorted(members),
        "networks": len(fitted),
        "sample_rate_hz": front_ends.rate_hz,
        "n_samples": front_ends.n_samples,
    }
    (out / "labels.json").write_text(json.dumps(labels, indent=2) + "\n")
    (out / "export.json").write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")
    with torch.inference_mode():
        answer: NDArray[np.float32] = model(torch.from_numpy(example)).numpy()
    return answer


def assemble(
    ensemble: Path, fitted: list[Path], front_ends: FrontEnds, labels: list[str], members: Mapping[str, Member]
) -> SoundClassifier:
    """Return the mean over the rounds of their ensembles, in evaluation mode."""
    rounds = json.loads((ensemble / "ensemble.json").read_text())["rounds"]
    weights = {(name, each["fold"]): w / len(rounds) for each in rounds for name, w in each["weights"].items()}
    fits = [(read_fit(folder), folder) for folder in fitted]
    views = []
    for kind in front_ends.by_kind:
        chosen = [(fit, folder) for fit, folder in fits if members[fit.member].features == kind]
        networks = [load_network(folder, fit, members[fit.member]) for fit, folder in chosen]
        if networks:
            shares = [weights[fit.member, fit.fold] for fit, _ in chosen]
            views.append(View(front_ends.make(kind), networks, shares))
    return SoundClassifier(views, labels, front_ends.rate_hz, front_ends.n_samples).eval()


def load_network(folder: Path, fit: Fit, member: Member) -> nn.Module:
    """Return a fitted network."""
    scratch = member.model_copy(update={"weights": "none"})
    network = build_network(scratch, fit.n_classes, fit.input_shape)
    network.load_state_dict(read_state_dict(folder / "state_dict.pt"))
    return network


def read_front_ends(features: list[Path]) -> FrontEnds:
    """Read the settings that each folder of features was made with."""
    found: dict[str, Waveform] = {}
    for folder in features:
        values = json.loads((folder / "front_end.json").read_text())
        if "n_mels" in values:
            found["spectrogram"] = Spectrogram(**values)
        else:
            found["waveform"] = Waveform(**values)
    return FrontEnds(found)


def draw_example(front_ends: FrontEnds) -> NDArray[np.float32]:
    """Return two made-up waveforms: a falling tone, and noise."""
    time_s = np.arange(front_ends.n_samples) / front_ends.rate_hz
    tone = 0.3 * np.sin(2 * np.pi * 440 * time_s * np.exp(-time_s))
    noise = np.random.default_rng(0).normal(0, 0.1, len(time_s))
    return np.stack([tone, noise]).astype(np.float32)
