"""Augmentation of sounds, a batch at a time on the device; each clip gets random numbers of its own."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from torchaudio.functional import mask_along_axis_iid

from tasks.audio.member import Member
from tasks.learning.transforms import AugmentInputs

TONE_POINTS = 4
SEMITONES = 12  # of an octave
VOCODER_SAMPLES = 1024  # window of the phase vocoder: 64 ms at 16 kHz


def make_augment(member: Member) -> AugmentInputs:
    """Return the member's augmentation of spectrograms (batch, bands, frames) in dB or waveforms (batch, samples)."""
    changes: list[AugmentInputs] = []
    if member.time_stretch or member.pitch_shift:
        changes.append(partial(stretch_waves, largest=member.time_stretch, largest_semitones=member.pitch_shift))
    if member.time_shift:
        changes.append(partial(shift_time, largest=member.time_shift))
    if member.gain_db:
        change = change_gain if member.features == "spectrogram" else scale_waves
        changes.append(partial(change, largest_db=member.gain_db))
    if member.tone_db:
        changes.append(partial(change_tone, largest_db=member.tone_db))
    if member.pitch_shift_bands:
        changes.append(partial(shift_pitch, largest=member.pitch_shift_bands))
    return partial(_apply_all, changes)


def make_masks(member: Member, bands: Tensor) -> AugmentInputs:
    """Return the member's masking of spectrograms; the means in `bands` (2, bands) fill the masked regions."""
    if not (member.freq_mask_bands or member.time_mask_frames):
        return partial(_apply_all, [])
    widths = (member.freq_mask_bands, member.time_mask_frames)
    return partial(mask_stripes, widths=widths, fill=bands[0].unsqueeze(1))


def _apply_all(changes: list[AugmentInputs], batch: Tensor, generator: torch.Generator) -> Tensor:
    for change in changes:
        batch = change(batch, generator)
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


def stretch_waves(waveforms: Tensor, generator: torch.Generator, *, largest: float, largest_semitones: float) -> Tensor:
    """Change the speed of each waveform by up to `largest`, a share, and its pitch by up to `largest_semitones`."""
    speed, semitones = (2 * torch.rand((2, len(waveforms)), generator=generator) - 1).double().tolist()
    changed = [
        change_speed(wave, speed=1 + largest * faster, pitch=2 ** (largest_semitones * higher / SEMITONES))
        for wave, faster, higher in zip(waveforms.cpu().numpy(), speed, semitones, strict=True)
    ]
    return torch.from_numpy(np.stack(changed)).to(waveforms)


def change_speed(wave: NDArray[np.float32], *, speed: float, pitch: float) -> NDArray[np.float32]:
    """Return a waveform with its speed and its frequencies multiplied, padded with zeros or trimmed to its length.

    It is librosa's `pitch_shift` after its `time_stretch`, but with a single phase vocoder, which takes half the time.
    """
    import librosa

    stretched = librosa.effects.time_stretch(wave, rate=speed / pitch, n_fft=VOCODER_SAMPLES)
    moved = librosa.resample(stretched, orig_sr=pitch, target_sr=1.0)
    return librosa.util.fix_length(moved, size=len(wave))


def change_tone(spectrograms: Tensor, generator: torch.Generator, *, largest_db: float) -> Tensor:
    """Raise or lower low, middle and high bands of each spectrogram, as another room or microphone would.

    Gains are drawn for four points spread evenly over the bands, and interpolated linearly between them.
    """
    uniform = torch.rand((len(spectrograms), 1, TONE_POINTS), generator=generator).to(spectrograms.device)
    gains_db = (2 * uniform - 1) * largest_db
    curve = interpolate(gains_db, size=spectrograms.shape[1], mode="linear", align_corners=True)
    return spectrograms + curve.transpose(1, 2)


def shift_pitch(spectrograms: Tensor, generator: torch.Generator, *, largest: int) -> Tensor:
    """Shift each spectrogram up or down by up to `largest` bands; the edge band fills the gap."""
    n_bands = spectrograms.shape[1]
    steps = torch.randint(-largest, largest + 1, (len(spectrograms), 1), generator=generator)
    source = (torch.arange(n_bands) - steps).clamp(0, n_bands - 1).to(spectrograms.device)
    return spectrograms.gather(1, source.unsqueeze(2).expand_as(spectrograms))


def mask_stripes(spectrograms: Tensor, generator: torch.Generator, *, widths: tuple[int, int], fill: Tensor) -> Tensor:
    """Replace a stripe of bands and a stretch of frames of each clip by the bands' means.

    SpecAugment, Park et al. 2019. torchaudio's masks use the global generator, which the training loop seeds.
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
