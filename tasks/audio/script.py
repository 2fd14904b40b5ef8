"""The ensemble as one TorchScript module from waveforms to probabilities, for the export."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torchaudio.transforms import Resample

from tasks.audio.front_end import LogMel, pad_or_trim
from tasks.audio.member import Member
from tasks.audio.sections import Spectrogram, Waveform
from tasks.learning.script import Assembled, Classifier, View, Voter

EXAMPLE_CLIPS = 2


class FixedLength(nn.Module):
    """Waveforms resampled, and padded or trimmed, to the rate and length of a front end."""

    def __init__(self, rate_hz: int, waveform: Waveform) -> None:
        super().__init__()
        same = rate_hz == waveform.sample_rate_hz
        self.resample = nn.Identity() if same else Resample(rate_hz, waveform.sample_rate_hz)
        self.n_samples = waveform.n_samples

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return waveforms (batch, n_samples)."""
        return pad_or_trim(self.resample(waveforms), self.n_samples)


@dataclass(frozen=True)
class FrontEnds:
    """The settings of each kind of features that members read, and how the silent ends of a sound are cut."""

    by_kind: Mapping[str, Waveform]
    trim_db: float = 0.0

    @property
    def rate_hz(self) -> int:
        """The highest rate among them, so that no member loses anything of a sound."""
        return max(each.sample_rate_hz for each in self.by_kind.values())

    @property
    def n_samples(self) -> int:
        """The longest clip, in samples at `rate_hz`."""
        return round(max(each.clip_s for each in self.by_kind.values()) * self.rate_hz)

    def make(self, kind: str) -> nn.Module:
        """Return the module from waveforms at `rate_hz` to features."""
        settings = self.by_kind[kind]
        fixed_length = FixedLength(self.rate_hz, settings)
        return nn.Sequential(fixed_length, LogMel(settings)) if isinstance(settings, Spectrogram) else fixed_length


class SoundClassifier(Classifier):
    """Waveforms (batch, samples) float32 at `sample_rate_hz` to probabilities (batch, classes).

    `n_samples` is the clip length in training; other lengths are padded with zeros or trimmed. Where `trim_db` is
    above 0, whoever reads a sound cuts its silent ends first, as `read_clip` does.
    """

    def __init__(self, views: list[View], labels: list[str], front_ends: FrontEnds) -> None:
        super().__init__(views, labels)
        self.sample_rate_hz = front_ends.rate_hz
        self.n_samples = front_ends.n_samples
        self.trim_db = front_ends.trim_db


def assemble(voters: list[Voter[Member]], labels: list[str], *, features: list[Path]) -> Assembled:
    """Return the mean of the ensembles of all rounds, in evaluation mode.

    The model takes waveforms (batch, samples) and has the attributes `sample_rate_hz`, `n_samples` and `trim_db`;
    waveforms of another length are padded or trimmed. `features` lists the folder of spectrograms, of waveforms, or
    both.
    """
    front_ends = read_front_ends(features)
    views = []
    for kind in front_ends.by_kind:
        chosen = [voter for voter in voters if voter.member.features == kind]
        if chosen:
            networks, shares = [voter.network for voter in chosen], [voter.share for voter in chosen]
            views.append(View(front_ends.make(kind), networks, shares))
    model = SoundClassifier(views, labels, front_ends).eval()
    facts = {name: getattr(model, name) for name in ("sample_rate_hz", "n_samples", "trim_db")}
    return Assembled(model, draw_example(front_ends), facts)


def read_front_ends(features: list[Path]) -> FrontEnds:
    """Read the settings of each folder of features."""
    settings: dict[str, Waveform] = {}
    trim_db = 0.0
    for folder in features:
        values = json.loads((folder / "front_end.json").read_text())
        trim_db = values.pop("trim_db", 0.0)  # the same in all
        if "n_mels" in values:
            settings["spectrogram"] = Spectrogram(**values)
        else:
            settings["waveform"] = Waveform(**values)
    return FrontEnds(settings, trim_db)


def draw_example(front_ends: FrontEnds) -> NDArray[np.float32]:
    """Return two synthetic waveforms: a falling tone, and noise."""
    time_s = np.arange(front_ends.n_samples) / front_ends.rate_hz
    tone = 0.3 * np.sin(2 * np.pi * 440 * time_s * np.exp(-time_s))
    noise = np.random.default_rng(0).normal(0, 0.1, len(time_s))
    return np.stack([tone, noise]).astype(np.float32)
