"""Each clip gets random numbers of its own, and an augmentation changes only what its name says."""

import pytest
import torch

from tasks.audio.augment import (
    TONE_POINTS,
    change_gain,
    change_tone,
    mask_stripes,
    scale_waves,
    shift_pitch,
    shift_time,
)
from tasks.audio.mixing import mix_spectrograms
from tasks.audio.transforms import make_batch_augment
from tests.tasks.learning.toys import PLAIN, make_member

BANDS = torch.stack([torch.linspace(-50, -20, 16), torch.full((16,), 5.0)])


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
    "values", [{}, UNCHANGED, {"features": "waveform", "network": "audionet", **PLAIN, "gain_db": 3.0}]
)
def test_the_same_seed_gives_the_same_batch_of_the_same_shape(values: dict[str, object]) -> None:
    member = make_member(**values)
    bands = BANDS if member.features == "spectrogram" else BANDS[:, :1]
    batch = torch.randn(8, 16, 40) if member.features == "spectrogram" else torch.randn(8, 400)
    augmented = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            augmented.append(make_batch_augment(member, bands)(batch.clone(), torch.eye(8), seeded())[0])
    torch.testing.assert_close(*augmented)
    assert augmented[0].shape == batch.shape
    assert torch.equal(augmented[0], batch) == (values == UNCHANGED)
