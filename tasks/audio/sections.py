"""The two sections of the features of a sound: read by the feature stages, training and the export."""

import json
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.section import Section


class Waveform(Section):
    """A clip as a sequence of samples."""

    sample_rate_hz: int = Field(ge=1000, le=192_000, description="rate that every clip is resampled to, Hz")
    clip_s: float = Field(gt=0, le=600, description="length that every clip is padded or trimmed to, seconds")

    @property
    def n_samples(self) -> int:
        """Samples in a clip of `clip_s`."""
        return round(self.clip_s * self.sample_rate_hz)

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if self.n_samples < 1:
            raise ValueError(f"clip_s {self.clip_s} is shorter than one sample: raise clip_s")
        return self


class Spectrogram(Waveform):
    """A clip as a log-mel spectrogram."""

    n_fft: int = Field(ge=16, le=65_536, description="window of each Fourier transform, samples")
    hop_samples: int = Field(ge=1, description="step from one window to the next, samples")
    n_mels: int = Field(ge=1, le=1024, description="mel bands")
    f_min_hz: float = Field(ge=0, description="lower edge of the lowest band, Hz")
    f_max_hz: float = Field(gt=0, description="upper edge of the highest band, Hz; at most half the sample rate")

    @property
    def n_frames(self) -> int:
        """Frames in the spectrogram of one clip (windows are centred, the ends padded with zeros)."""
        return 1 + self.n_samples // self.hop_samples

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        nyquist_hz = self.sample_rate_hz / 2
        if self.f_max_hz > nyquist_hz:
            raise ValueError(
                f"f_max_hz {self.f_max_hz} is more than half of sample_rate_hz: set f_max_hz to {nyquist_hz} or less"
            )
        if self.f_min_hz >= self.f_max_hz:
            raise ValueError(f"f_min_hz {self.f_min_hz} must be below f_max_hz {self.f_max_hz}: lower f_min_hz")
        if self.hop_samples > self.n_fft:
            raise ValueError(
                f"hop_samples {self.hop_samples} is more than n_fft {self.n_fft}, which would skip samples between "
                "windows: lower hop_samples"
            )
        empty = count_empty_bands(self)
        if empty:
            raise ValueError(
                f"{empty} of the bands of n_mels {self.n_mels} contain no frequency of n_fft {self.n_fft}: "
                "raise n_fft, or lower n_mels"
            )
        return self


def write_front_end(out: Path, settings: Waveform, trim_db: float) -> None:
    """Write `front_end.json`, from which the export builds the same front end."""
    values = settings.model_dump() | {"trim_db": trim_db}
    (out / "front_end.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")


def count_empty_bands(spectrogram: Spectrogram) -> int:
    """Return the number of mel bands that are too narrow to contain a bin of the Fourier transform."""
    low, high = _mel_from_hz(np.array([spectrogram.f_min_hz, spectrogram.f_max_hz]))
    edges_hz = _hz_from_mel(np.linspace(low, high, spectrogram.n_mels + 2))
    bins_hz = np.arange(spectrogram.n_fft // 2 + 1) * spectrogram.sample_rate_hz / spectrogram.n_fft
    first = np.searchsorted(bins_hz, edges_hz[:-2], side="right")
    last = np.searchsorted(bins_hz, edges_hz[2:], side="left")
    return int((first >= last).sum())


# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1 kHz, logarithmic above.
_HZ_PER_MEL = 200 / 3
_LOG_START_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27


def _mel_from_hz(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(hz, _LOG_START_HZ)
    return np.minimum(hz, _LOG_START_HZ) / _HZ_PER_MEL + np.log(above / _LOG_START_HZ) / _LOG_STEP


def _hz_from_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    log_start = _LOG_START_HZ / _HZ_PER_MEL
    above = _LOG_START_HZ * np.exp(_LOG_STEP * (mel - log_start))
    return np.where(mel < log_start, mel * _HZ_PER_MEL, above)
