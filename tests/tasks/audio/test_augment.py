"""Each clip gets random numbers of its own, and an augmentation changes only what its name says."""

import numpy as np
import pytest
import torch

from tasks.audio.augment import (
    TONE_POINTS,
    VOCODER_SAMPLES,
    change_gain,
    change_speed,
    change_tone,
    mask_stripes,
    scale_waves,
    shift_pitch,
    shift_time,
    stretch_waves,
)
from tasks.audio.mixing import mix_spectrograms
from tasks.audio.transforms import make_batch_augment
from tests.tasks.learning.toys import PLAIN, make_member

BANDS = torch.stack([torch.linspace(-50, -20, 16), torch.full((16,), 5.0)])


WAVES = {"features": "waveform", "network": "audionet", **PLAIN}
UNCHANGED = {**PLAIN, "mixup_alpha": 0.0}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_time_shift_is_cyclic_and_differs_between_clips() -> None:
    clip = torch.randn(16, 40)
    shifted = shift_time(clip.expand(32, -1, -1), seeded(), largest=0.5)
    rolled = [next(n for n in range(40) if torch.equal(result, clip.roll(n, 1))) for result in shifted]
    assert len(set(rolled)) > 10
    assert max(min(n, 40 - n) for n in rolled) <= 20


def test_waves_are_shifted_too() -> None:
    wave = torch.randn(1, 100)
    shifted = shift_time(wave, seeded(3), largest=1.0)
    assert torch.equal(shifted.sort().values, wave.sort().values)


def test_gain_adds_decibels_or_multiplies_samples_alike() -> None:
    louder = change_gain(torch.zeros(64, 2, 3), seeded(), largest_db=6.0)
    scaled = scale_waves(torch.ones(64, 5), seeded(), largest_db=6.0)
    torch.testing.assert_close(20 * scaled[:, 0].log10(), louder[:, 0, 0], atol=1e-4, rtol=1e-4)
    assert 3 < louder.abs().max() <= 6


def test_tone_is_a_smooth_curve_over_the_bands_and_differs_between_clips() -> None:
    changed = change_tone(torch.zeros(64, 31, 5), seeded(), largest_db=12.0)
    assert (changed == changed[:, :, :1]).all() and 6 < changed.abs().max() <= 12
    knees = torch.linspace(0, 30, TONE_POINTS).round().long()[1:-1] - 1  # where the slope may change
    bends = changed[:, :, 0].diff(n=2).abs().amax(0)
    assert set(bends.topk(len(knees)).indices.tolist()) == set(knees.tolist())
    assert changed[:, 0, 0].unique().numel() == 64


def test_mixed_sounds_add_their_energies_between_their_loudnesses() -> None:
    loud, soft = torch.full((16, 10), -190.0), torch.full((16, 10), -190.0)
    loud[3], soft[12] = -10.0, -50.0
    batch = torch.stack([loud, soft])
    targets = torch.eye(2)
    mixed, mixed_targets = mix_spectrograms(batch, targets, seeded(3), alpha=1.0)
    assert (mixed_targets > 0).all(), "each must be mixed with the other, or the test shows nothing"
    for spectrogram, target in zip(mixed, mixed_targets, strict=True):
        both = spectrogram[[3, 12], 0]
        level = target @ torch.tensor([-10.0, -50.0])
        torch.testing.assert_close(both, level + 20 * target.log10(), atol=1e-3, rtol=0)


def test_pitch_shift_moves_bands_and_fills_from_the_edge() -> None:
    rising = torch.arange(16.0).view(1, 16, 1).expand(200, 16, 2)
    moved = shift_pitch(rising, seeded(), largest=3)
    steps = (rising[:, 8, 0] - moved[:, 8, 0]).unique()
    assert steps.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert moved.min() == 0 and moved.max() == 15


def make_beeps(pitch_hz: float) -> np.ndarray:
    """A second at 8 kHz with two beeps, which begin after 0.1 and 0.6 s."""
    time_s = np.arange(8000) / 8000
    sounds = (time_s % 0.5 >= 0.1) & (time_s % 0.5 < 0.3)
    return (np.sin(2 * np.pi * pitch_hz * time_s) * sounds).astype(np.float32)


@pytest.mark.parametrize(("speed", "semitones"), [(1.0, 0), (1.25, 0), (0.8, 0), (1.0, 12), (1.0, -7), (1.2, 5)])
def test_speed_and_pitch_change_apart(speed: float, semitones: int) -> None:
    moved = change_speed(make_beeps(500), speed=speed, pitch=2 ** (semitones / 12))
    assert moved.shape == (8000,) and moved.dtype == np.float32
    loudest_hz = np.abs(np.fft.rfft(moved)).argmax()
    assert loudest_hz == pytest.approx(500 * 2 ** (semitones / 12), rel=0.02)
    loud = np.abs(moved[: round(0.98 * 8000 / speed)]) > 0.3
    starts = [n for n in np.flatnonzero(loud) if not loud[max(0, n - 800) : n].any()]
    assert starts == pytest.approx([800 / speed, 4800 / speed], abs=VOCODER_SAMPLES / 2)


def test_each_wave_is_stretched_by_numbers_of_its_own_within_the_limits() -> None:
    waves = torch.from_numpy(make_beeps(500)).expand(12, -1)
    moved = stretch_waves(waves, seeded(), largest=0.0, largest_semitones=4.0)
    pitches = torch.fft.rfft(moved).abs().argmax(1) / 500
    assert pitches.unique().numel() > 8
    assert 2 ** (-4.1 / 12) < pitches.min() < 0.9 < 1.1 < pitches.max() < 2 ** (4.1 / 12)
    same_pitch = stretch_waves(waves, seeded(), largest=0.3, largest_semitones=0.0)
    torch.testing.assert_close(torch.fft.rfft(same_pitch).abs().argmax(1) / 500, torch.ones(12), atol=0.02, rtol=0)
    assert (same_pitch[:, -800:] == 0).all(1).any() and (same_pitch.abs().sum(1).unique().numel() > 8)


def test_masks_are_filled_with_the_bands_means_and_are_no_wider_than_asked() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        masked = mask_stripes(torch.ones(300, 16, 40), seeded(), widths=(4, 9), fill=BANDS[0].unsqueeze(1))
    hidden = masked != 1
    torch.testing.assert_close(masked[hidden], BANDS[0].view(1, 16, 1).expand_as(masked)[hidden])
    bands, frames = hidden.all(2).sum(1), hidden.all(1).sum(1)
    assert bands.max() <= 4 and frames.max() <= 9
    assert bands.unique().numel() > 2 and frames.unique().numel() > 4


@pytest.mark.parametrize(
    "values", [{}, UNCHANGED, {**WAVES, "gain_db": 3.0}, {**WAVES, "time_stretch": 0.1, "pitch_shift": 1.0}]
)
def test_the_same_seed_gives_the_same_batch_of_the_same_shape(values: dict[str, object]) -> None:
    member = make_member(**values)
    bands = BANDS if member.features == "spectrogram" else BANDS[:, :1]
    batch = torch.randn(8, 16, 40) if member.features == "spectrogram" else torch.randn(8, 2000)
    augmented = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            augmented.append(make_batch_augment(member, bands)(batch.clone(), torch.eye(8), seeded())[0])
    torch.testing.assert_close(*augmented)
    assert augmented[0].shape == batch.shape
    assert torch.equal(augmented[0], batch) == (values == UNCHANGED)
