"""Mixup of sounds as they would be heard: energies add up, and neither sound drowns out the other."""

import torch
from torch import Tensor

from tasks.learning.mixing import draw_shares

FLOOR = 1e-10  # of energies relative to the peak; the front end has the same


def mix_spectrograms(
    spectrograms: Tensor, targets: Tensor, generator: torch.Generator, *, alpha: float
) -> tuple[Tensor, Tensor]:
    """Blend each spectrogram (batch, bands, frames) in dB with another one, by energy, as sounds mix in air.

    Both are scaled to the same peak, their energies are added with the squares of their shares, and the sum is set to a
    peak between theirs. After Tokozume 2018, "Learning from Between-Class Examples for Deep Sound Recognition", which
    mixes waveforms.
    """
    if alpha == 0:
        return spectrograms, targets
    share = draw_shares(len(spectrograms), alpha, generator).to(spectrograms.device)
    other = torch.randperm(len(spectrograms), generator=generator).to(spectrograms.device)
    own = share.view(-1, 1, 1)
    peaks = spectrograms.amax((1, 2), keepdim=True)
    energies = to_energy(spectrograms - peaks)
    mixed = own**2 * energies + (1 - own) ** 2 * energies[other]
    level = peaks[other].lerp(peaks, own)
    return 10 * torch.log10(mixed.clamp(min=FLOOR)) + level, targets[other].lerp(targets, share.unsqueeze(1))


def to_energy(decibels: Tensor) -> Tensor:
    """Return decibels as energies relative to 0 dB."""
    return 10 ** (decibels / 10)
