"""The explanation draws the attribution over the spectrogram, at the right pitch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from tasks.audio.explain import open_explainer
from tasks.audio.script import FrontEnds, SoundClassifier
from tasks.audio.sections import Spectrogram, Waveform
from tasks.errors import UserError
from tasks.learning.script import View

RATE_HZ = 8000
SOUND = {"sample_rate_hz": RATE_HZ, "clip_s": 1.0}
BANDS = {"n_fft": 512, "hop_samples": 80, "n_mels": 32, "f_min_hz": 50, "f_max_hz": 4000}


class Pitch(nn.Module):
    """Tells high from low by the loudness of the upper and the lower half of the bands."""

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Return logits (batch, 2)."""
        middle = spectrograms.size(1) // 2
        low, high = spectrograms[:, :middle].amax((1, 2)), spectrograms[:, middle:].amax((1, 2))
        return torch.stack([low, high], 1) / 10


def save_model(path: Path, front_ends: FrontEnds, kind: str, network: nn.Module) -> Path:
    view = View(front_ends.make(kind), [network], [1.0])
    model = SoundClassifier([view], ["low", "high"], front_ends)
    torch.jit.script(model.eval()).save(path)
    return path


@pytest.mark.parametrize(("tone_hz", "is_high"), [(300, False), (3000, True)])
def test_the_map_lies_at_the_pitch_of_the_tone(tmp_path: Path, tone_hz: int, is_high: bool) -> None:
    front_ends = FrontEnds({"spectrogram": Spectrogram(**SOUND, **BANDS)})
    explain = open_explainer(save_model(tmp_path / "model.pt", front_ends, "spectrogram", Pitch()))
    sound = tmp_path / "tone.wav"
    soundfile.write(sound, 0.5 * np.sin(2 * np.pi * tone_hz * np.arange(RATE_HZ) / RATE_HZ), RATE_HZ)
    picture = explain(sound)
    assert picture is not None
    assert picture.ndim == 3 and picture.dtype == np.uint8
    red = picture[..., 0].astype(int) - picture[..., 2]
    hottest = red.max(1).argmax() / len(red)
    assert (hottest < 0.5) == is_high, "the upper half shows the high bands"


def test_a_model_that_hears_no_spectrogram_has_no_map(tmp_path: Path) -> None:
    front_ends = FrontEnds({"waveform": Waveform(**SOUND)})
    model = save_model(tmp_path / "model.pt", front_ends, "waveform", nn.Linear(RATE_HZ, 2))
    sound = tmp_path / "tone.wav"
    soundfile.write(sound, np.zeros(RATE_HZ), RATE_HZ)
    assert open_explainer(model)(sound) is None


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    front_ends = FrontEnds({"spectrogram": Spectrogram(**SOUND, **BANDS)})
    explain = open_explainer(save_model(tmp_path / "model.pt", front_ends, "spectrogram", Pitch()))
    (tmp_path / "words.wav").write_text("nothing to hear")
    with pytest.raises(UserError, match=r"words\.wav cannot be read as a sound"):
        explain(tmp_path / "words.wav")
