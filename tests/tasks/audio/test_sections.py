"""Invalid settings of the front end are refused by name."""

from typing import Any

import librosa
import numpy as np
import pytest
from pydantic import ValidationError

from tasks.audio.sections import Spectrogram, Waveform, count_empty_bands

VALUES: dict[str, Any] = {
    "sample_rate_hz": 22050, "clip_s": 5.0, "n_fft": 1024, "hop_samples": 512, "n_mels": 64,
    "f_min_hz": 0, "f_max_hz": 11025,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_mels": 0}, "n_mels\n.*greater than or equal to 1"),
        ({"clip_s": 0}, "clip_s\n.*greater than 0"),
        ({"clip_s": 1e-9}, "clip_s 1e-09 is shorter than one sample"),
        ({"sample_rate_hz": 0}, "sample_rate_hz\n.*greater than or equal to 1000"),
        ({"f_max_hz": 11026}, "f_max_hz 11026.0 is more than half of sample_rate_hz: set f_max_hz to 11025.0 or less"),
        ({"f_min_hz": 11025}, "f_min_hz 11025.0 must be below f_max_hz"),
        ({"hop_samples": 1025}, "hop_samples 1025 is more than n_fft 1024"),
        (
            {"n_fft": 128, "hop_samples": 128},
            r"\d+ of the bands of n_mels 64 contain no frequency of n_fft 128: raise n_fft, or lower n_mels",
        ),
        ({"n_mels": "64"}, "n_mels\n.*valid integer"),
        ({"mels": 64}, "mels\n.*not permitted"),
    ],
)
def test_an_invalid_spectrogram_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Spectrogram.model_validate(VALUES | changed)


@pytest.mark.filterwarnings("ignore:Empty filters")  # librosa finds them too
@pytest.mark.parametrize(("n_fft", "n_mels", "rate_hz"), [(1024, 64, 22050), (256, 40, 22050), (128, 64, 8000)])
def test_empty_bands_are_those_that_librosa_finds(n_fft: int, n_mels: int, rate_hz: int) -> None:
    filters = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels)
    keys: dict[str, Any] = {"n_fft": n_fft, "n_mels": n_mels, "sample_rate_hz": rate_hz, "f_max_hz": rate_hz / 2}
    spectrogram = Spectrogram.model_construct(**(VALUES | keys))  # not validated: empty bands are wanted here
    assert count_empty_bands(spectrogram) == int(np.sum(filters.max(axis=1) == 0))


def test_a_clip_s_length_is_whole_samples() -> None:
    assert Waveform(sample_rate_hz=22050, clip_s=5).n_samples == 110_250
    assert Spectrogram.model_validate(VALUES).n_frames == 216
