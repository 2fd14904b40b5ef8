"""Mixup of sounds as ears would hear it: energies add up, and neither sound drowns the other."""

import torch
from torch import Tensor

from tasks.learning.mixing import draw_shares

FLOOR = 1e-10  # of energies relative to the loudest place, as the front end's


def mix_spectrograms(
    spectrograms: Tensor, targets: Tensor, generator: torch.Generator, *, alpha: float
) -> tuple[Tensor, Tensor]:
    """Blend spectrograms (batch, bands, frames) in dB with one another, as mixup does, but as sounds would.

    Both are brought to the same loudest place, their energies added in the squares of their shares, and the sum
    set to a loudness between theirs. After Tokozume 2018, "Learning from Between-Class Examples for Deep Sound
    Recognition", who mix waveforms.
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
