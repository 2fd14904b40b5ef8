"""Augmentation of sounds, a batch at a time on the device; each clip draws for itself."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchaudio.functional import mask_along_axis_iid

from tasks.audio.member import Member
from tasks.learning.views import Augment

Alter = Callable[[Tensor, torch.Generator], Tensor]


def make_augment(member: Member, bands: Tensor) -> Augment:
    """Return the member's augmentation, for spectrograms (batch, bands, frames) in dB or waveforms (batch, samples).

    `bands` (2, bands) holds the training clips' mean, which masked places are filled with.
    """
    alterations: list[Alter] = []
    if member.time_shift:
        alterations.append(partial(shift_time, largest=member.time_shift))
    if member.gain_db:
        change = change_gain if member.features == "spectrogram" else scale_waves
        alterations.append(partial(change, largest_db=member.gain_db))
    if member.pitch_shift_bands:
        alterations.append(partial(shift_pitch, largest=member.pitch_shift_bands))
    if member.freq_mask_bands or member.time_mask_frames:
        widths = (member.freq_mask_bands, member.time_mask_frames)
        alterations.append(partial(mask_stripes, widths=widths, fill=bands[0].unsqueeze(1)))
    return partial(_apply_all, alterations)


def _apply_all(alterations: list[Alter], batch: Tensor, generator: torch.Generator) -> Tensor:
    for alter in alterations:
        batch = alter(batch, generator)
    return batch


def shift_time(batch: Tensor, generator: torch.Generator, *, largest: float) -> Tensor:
    """Roll each clip along its last axis by up to `largest` of its length, either way."""
    length = batch.shape[-1]
    furthest = int(length * largest)
    steps = torch.randint(-furthest, furthest + 1, (len(batch), 1), generator=generator).to(batch.device)
    source = (torch.arange(length, device=batch.device) - steps) % length
    if batch.ndim == 3:
        source = source.unsqueeze(1).expand_as(batch)
    return batch.gather(-1, source)


def change_gain(spectrograms: Tensor, generator: torch.Generator, *, largest_db: float) -> Tensor:
    """Make each spectrogram louder or softer."""
    return spectrograms + _draw_db(spectrograms, generator, largest_db).unsqueeze(2)


def scale_waves(waveforms: Tensor, generator: torch.Generator, *, largest_db: float) -> Tensor:
    """Make each waveform louder or softer."""
    return waveforms * 10 ** (_draw_db(waveforms, generator, largest_db) / 20)


def shift_pitch(spectrograms: Tensor, generator: torch.Generator, *, largest: int) -> Tensor:
    """Move each spectrogram up or down by up to `largest` bands; the edge band fills what becomes free."""
    n_bands = spectrograms.shape[1]
    steps = torch.randint(-largest, largest + 1, (len(spectrograms), 1), generator=generator)
    source = (torch.arange(n_bands) - steps).clamp(0, n_bands - 1).to(spectrograms.device)
    return spectrograms.gather(1, source.unsqueeze(2).expand_as(spectrograms))


def mask_stripes(spectrograms: Tensor, generator: torch.Generator, *, widths: tuple[int, int], fill: Tensor) -> Tensor:
    """Replace a stripe of bands and a stretch of frames of each clip by the bands' means.

    SpecAugment, Park et al. 2019. torchaudio's masks draw from the global generator, which the loop seeds.
    """
    fill = fill.to(spectrograms.device)
    masked = (spectrograms - fill).unsqueeze(1)
    for axis, width in zip((2, 3), widths, strict=True):
        if width:
            masked = mask_along_axis_iid(masked, width, 0.0, axis)
    return masked.squeeze(1) + fill


def _draw_db(batch: Tensor, generator: torch.Generator, largest_db: float) -> Tensor:
    uniform = torch.rand((len(batch), 1), generator=generator).to(batch.device)
    return (2 * uniform - 1) * largest_db
