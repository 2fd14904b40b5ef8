"""The front end from waveforms to log-mel spectrograms, used by the feature stage and the exported model."""

from typing import Final

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks
from torchaudio.transforms import Spectrogram as ShortFourier

from tasks.audio.sections import Spectrogram


class LogMel(nn.Module):
    """Log-mel spectrogram in decibels, with librosa's defaults (Slaney's scale and norm, zero padding).

    It takes (batch, samples) float32 at `sample_rate_hz` and returns (batch, n_mels, frames) float32: 10 log10 of the
    power, at least -100 dB. Scriptable.
    """

    bands: Tensor  # (2 * n_frequencies, n_mels)
    floor: Final[float] = 1e-10  # power below this counts as silence: -100 dB

    def __init__(self, settings: Spectrogram) -> None:
        super().__init__()
        self.fourier = ShortFourier(
            n_fft=settings.n_fft, hop_length=settings.hop_samples, power=None, pad_mode="constant"
        )
        bands = melscale_fbanks(
            n_freqs=settings.n_fft // 2 + 1,
            f_min=settings.f_min_hz,
            f_max=settings.f_max_hz,
            n_mels=settings.n_mels,
            sample_rate=settings.sample_rate_hz,
            norm="slaney",
            mel_scale="slaney",
        )
        # One row for the real and one for the imaginary part of each frequency, so that one product also adds their
        # squares.
        self.register_buffer("bands", bands.repeat_interleave(2, dim=0))

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the log-mel spectrograms (batch, n_mels, frames) of waveforms (batch, samples)."""
        # Frames come first in memory. torchaudio's MelSpectrogram, which squares the modulus of a transposed array,
        # takes twice the time.
        spectrum = torch.view_as_real(self.fourier(waveforms).transpose(1, 2)).flatten(2)
        power = (spectrum.square() @ self.bands).transpose(1, 2)
        return 10.0 * torch.log10(torch.clamp(power, min=self.floor))


def pad_or_trim(waveforms: Tensor, n_samples: int) -> Tensor:
    """Return (batch, n_samples): the start of each waveform, followed by zeros when it is shorter."""
    missing = n_samples - waveforms.size(-1)
    if missing > 0:
        return torch.nn.functional.pad(waveforms, (0, missing))
    return waveforms[..., :n_samples]
