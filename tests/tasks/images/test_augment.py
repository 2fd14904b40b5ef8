"""Each picture gets random numbers of its own; the given batch is not changed; at strength 0 only flips remain."""

import pytest
import torch
from torch import Tensor

from tasks.images.augment import make_augment
from tests.tasks.images.recipe import PLAIN, draw_pictures, make_member, seeded

ONE_AT_A_TIME = [
    {"flip_share": 0.5},
    {"vertical_flip_share": 0.5},
    {"crop_scale": 0.3},
    {"rotation_deg": 20.0},
    {"jitter": 0.4},
    {"hue": 0.2},
    {"rand_augment_ops": 1, "rand_augment_magnitude": 9.0},
    {"erase_share": 0.5},
    {"noise_std": 0.1},
]
ALL = {}


def augment(batch: Tensor, *, strength: float = 1.0, seed: int = 0, **values: object) -> Tensor:
    return make_augment(make_member(**values), strength)(batch, seeded(seed))


@pytest.mark.parametrize("values", [ALL, *({**PLAIN, **one} for one in ONE_AT_A_TIME)])
def test_equal_pictures_come_out_different(values: dict[str, object]) -> None:
    batch = draw_pictures(1).expand(12, -1, -1, -1)
    assert len({one.numpy().tobytes() for one in augment(batch, **values)}) > 1


def test_with_all_of_it_no_two_of_many_equal_pictures_come_out_alike() -> None:
    batch = draw_pictures(1).expand(64, -1, -1, -1)
    assert len({one.numpy().tobytes() for one in augment(batch)}) == 64


@pytest.mark.parametrize("values", [ALL, PLAIN, *({**PLAIN, **one} for one in ONE_AT_A_TIME)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_batch_is_left_alone_and_its_layout_and_range_are_kept(
    values: dict[str, object], layout: torch.memory_format
) -> None:
    batch = draw_pictures(8, 20, 28).contiguous(memory_format=layout)
    before = batch.clone()
    changed = augment(batch, **values)
    assert torch.equal(batch, before)
    assert changed.shape == batch.shape and changed.dtype == torch.float32
    assert changed.is_contiguous(memory_format=layout)
    assert changed.min() > -1e-6 and changed.max() < 1 + 1e-6


def test_the_same_seed_gives_the_same_bytes_and_another_others() -> None:
    batch = draw_pictures(8)
    assert torch.equal(augment(batch, seed=3), augment(batch, seed=3))
    assert not torch.equal(augment(batch, seed=3), augment(batch, seed=4))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    augment(draw_pictures(8))
    assert torch.equal(torch.get_rng_state(), before)


def test_at_strength_0_the_pictures_are_the_same_but_for_flips() -> None:
    batch = draw_pictures(32)
    assert torch.equal(augment(batch, strength=0.0, flip_share=0.0, vertical_flip_share=0.0), batch)
    flipped = augment(batch, strength=0.0)
    ways = [batch, batch.flip(3), batch.flip(2), batch.flip((2, 3))]
    same = torch.stack([(flipped == way).all((1, 2, 3)) for way in ways])
    assert same.any(0).all() and same.any(1).all(), "each picture is one of the four, and each way is taken"


def test_a_plain_member_changes_nothing() -> None:
    batch = draw_pictures(4)
    assert torch.equal(augment(batch, **PLAIN), batch)


def test_half_the_strength_is_half_the_noise() -> None:
    grey = torch.full((8, 3, 32, 32), 0.5)
    full, half = (augment(grey, strength=s, **{**PLAIN, "noise_std": 0.1}).std() for s in (1.0, 0.5))
    # 24,576 numbers: a standard deviation is known to half a percent.
    assert full == pytest.approx(0.1, rel=0.03) and half == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize("values", [{"flip_share": 1.0}, {"vertical_flip_share": 1.0}])
def test_flips_mirror_pixel_for_pixel(values: dict[str, float]) -> None:
    batch = draw_pictures(4, 20, 28)
    mirrored = batch.flip(3 if "flip_share" in values else 2)
    assert torch.equal(augment(batch, **{**PLAIN, **values}), mirrored)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_flips_are_as_frequent_as_asked(share: float) -> None:
    batch = draw_pictures(2000, 4, 4)
    flipped = (augment(batch, **{**PLAIN, "flip_share": share}) != batch).any(3).any(2).any(1)
    assert flipped.float().mean() == pytest.approx(share, abs=5 * (share * (1 - share) / 2000) ** 0.5)
