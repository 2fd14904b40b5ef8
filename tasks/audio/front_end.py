"""The one front end: waveforms to log-mel spectrograms, in the feature stage as in the exported model."""

from typing import Final

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelScale
from torchaudio.transforms import Spectrogram as ShortFourier

from tasks.audio.sections import Spectrogram


class LogMel(nn.Module):
    """Log-mel spectrogram in decibels, as librosa makes it by default (Slaney's scale and norm, zero padding).

    Takes (batch, samples) float32 at `sample_rate_hz`, gives (batch, n_mels, frames) float32: 10 log10 of the
    power, floored at -100 dB. Scriptable.
    """

    floor: Final[float] = 1e-10  # power below this counts as silence: -100 dB

    def __init__(self, settings: Spectrogram) -> None:
        super().__init__()
        # torchaudio's MelSpectrogram takes the modulus and squares it, which doubles the time.
        self.fourier = ShortFourier(
            n_fft=settings.n_fft, hop_length=settings.hop_samples, power=None, pad_mode="constant"
        )
        self.mel_scale = MelScale(
            n_mels=settings.n_mels,
            sample_rate=settings.sample_rate_hz,
            f_min=settings.f_min_hz,
            f_max=settings.f_max_hz,
            n_stft=settings.n_fft // 2 + 1,
            norm="slaney",
            mel_scale="slaney",
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the log-mel spectrograms (batch, n_mels, frames) of waveforms (batch, samples)."""
        waves = self.fourier(waveforms)
        power = waves.real.square() + waves.imag.square()
        return 10.0 * torch.log10(torch.clamp(self.mel_scale(power), min=self.floor))


def pad_or_trim(waveforms: Tensor, n_samples: int) -> Tensor:
    """Return (batch, n_samples): the start of each waveform, followed by zeros when it is shorter."""
    missing = n_samples - waveforms.size(-1)
    if missing > 0:
        return torch.nn.functional.pad(waveforms, (0, missing))
    return waveforms[..., :n_samples]
