"""RandAugment's operations equal torchvision's, and are drawn for each picture."""

from collections.abc import Callable
from math import atan, degrees

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from tasks.images.geometry import warp
from tasks.images.rand_augment import (
    OPERATIONS,
    VALUE_OPERATIONS,
    DrawnOperations,
    change_values,
    draw_operations,
    join_tones,
    make_maps,
)
from tasks.images.tones import Tones, change_tones
from tests.tasks.images.recipe import draw_pictures, seeded

BILINEAR = InterpolationMode.BILINEAR
LEVEL = 0.5  # of each operation's strongest


def by_bytes(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Turn a function of 8-bit pictures into a function of pictures in 0..1."""
    return lambda pictures: change((pictures * 255).round().byte()).float() / 255


# The operations of torchvision's RandAugment at half of its largest magnitude, with a sign where they have a direction.
EXPECTED: dict[tuple[str, int], Callable[[Tensor], Tensor]] = {
    ("identity", 1): lambda p: p,
    ("shift_x", 1): lambda p: TF.affine(p, 0.0, [-75, 0], 1.0, [0.0], BILINEAR),
    ("shift_y", -1): lambda p: TF.affine(p, 0.0, [0, 75], 1.0, [0.0], BILINEAR),
    ("shear_x", 1): lambda p: TF.affine(p, 0.0, [0, 0], 1.0, [degrees(atan(0.15)), 0.0], BILINEAR),
    ("shear_y", -1): lambda p: TF.affine(p, 0.0, [0, 0], 1.0, [0.0, degrees(atan(-0.15))], BILINEAR),
    ("rotate", 1): lambda p: TF.rotate(p, 15.0, BILINEAR),
    ("rotate", -1): lambda p: TF.rotate(p, -15.0, BILINEAR),
    ("brightness", 1): lambda p: TF.adjust_brightness(p, 1.45),
    ("brightness", -1): lambda p: TF.adjust_brightness(p, 0.55),
    ("saturation", -1): lambda p: TF.adjust_saturation(p, 0.55),
    ("contrast", 1): lambda p: TF.adjust_contrast(p, 1.45),
    ("sharpness", 1): lambda p: TF.adjust_sharpness(p, 1.45),
    ("sharpness", -1): lambda p: TF.adjust_sharpness(p, 0.55),
    ("posterise", 1): by_bytes(lambda p: TF.posterize(p, 6)),
    ("solarise", 1): lambda p: TF.solarize(p, 0.5),
    ("autocontrast", 1): TF.autocontrast,
    ("equalise", 1): by_bytes(TF.equalize),
}


def draw(name: str, sign: int, count: int = 1) -> DrawnOperations:
    return DrawnOperations(torch.full((count, 1), OPERATIONS.index(name)), torch.full((count, 1), float(sign)), LEVEL)


def apply(pictures: Tensor, drawn: DrawnOperations) -> Tensor:
    one = torch.ones(len(pictures))
    moved = warp(pictures, make_maps(drawn, pictures.shape[3] / pictures.shape[2]))
    return change_values(change_tones(moved, join_tones(drawn, Tones(one, one, one, 0 * one))), drawn)


@pytest.mark.parametrize(("name", "sign"), EXPECTED)
def test_an_operation_is_torchvision_s(name: str, sign: int) -> None:
    pictures = (51 + (153 * draw_pictures(1, 331, 331, seed=2)).round()) / 255  # not all levels, for what stretches
    ours, expected = apply(pictures, draw(name, sign)), EXPECTED[name, sign](pictures)
    if name in OPERATIONS[1:6]:  # torchvision shows black beyond the edge
        ours, expected = ours[:, :, 90:-90, 90:-90], expected[:, :, 90:-90, 90:-90]
    # torchvision's weights of red, green and blue add up to 0.9999.
    torch.testing.assert_close(ours, expected, atol=2e-4, rtol=0)


def test_the_cases_above_are_all_operations() -> None:
    assert {name for name, _ in EXPECTED} == set(OPERATIONS)


@pytest.mark.parametrize("strength", [0.1, 0.3, 0.7, 1.0])
def test_posterising_and_solarising_follow_the_strength(strength: float) -> None:
    pictures = draw_pictures(1)
    amounts = torch.full((1, 1, 1, 1), -strength)
    bits = 8 - round(4 * strength)
    assert torch.equal(
        VALUE_OPERATIONS["posterise"](pictures, amounts), by_bytes(lambda p: TF.posterize(p, bits))(pictures)
    )
    assert torch.equal(VALUE_OPERATIONS["solarise"](pictures, amounts), TF.solarize(pictures, 1 - strength))


@pytest.mark.parametrize("name", ["autocontrast", "equalise"])
def test_a_picture_of_few_values_is_treated_as_torchvision_does(name: str) -> None:
    few = draw_pictures(4, 48, 48).mul(3).floor() / 3 * torch.tensor([1.0, 0.5, 0.0]).view(3, 1, 1)
    few = (few * 255).floor() / 255
    ours = VALUE_OPERATIONS[name](few, torch.zeros(4, 1, 1, 1))
    torch.testing.assert_close(ours, EXPECTED[name, 1](few), atol=1e-6, rtol=0)


def test_each_picture_has_its_own_operation_and_the_others_are_left_alone() -> None:
    names = [*VALUE_OPERATIONS, "identity"]
    numbers = torch.tensor([[OPERATIONS.index(name)] for name in names])
    pictures = draw_pictures(1).mul(0.5).expand(len(names), -1, -1, -1)
    together = change_values(pictures, DrawnOperations(numbers, torch.ones(len(names), 1), LEVEL))
    for row, name in enumerate(names):
        assert torch.equal(together[row : row + 1], change_values(pictures[:1], draw(name, 1)))
    assert torch.equal(together[-1], pictures[-1])


def test_several_operations_follow_one_another() -> None:
    pictures = draw_pictures(1)
    numbers = torch.tensor([[OPERATIONS.index("solarise"), OPERATIONS.index("posterise")]])
    both = change_values(pictures, DrawnOperations(numbers, torch.ones(1, 2), LEVEL))
    one = change_values(pictures, draw("solarise", 1))
    assert torch.equal(both, change_values(one, draw("posterise", 1)))


def test_every_operation_is_as_likely_as_another_and_goes_either_way() -> None:
    drawn = draw_operations(7000, 2, strength=LEVEL, generator=seeded())
    counts = drawn.numbers.flatten().bincount(minlength=len(OPERATIONS))
    # 1,000 of each are to be expected; five standard deviations are 152.
    assert (counts - 1000).abs().max() < 152
    assert drawn.signs.unique().tolist() == [-1, 1] and drawn.signs.mean().abs() < 5 / 14_000**0.5
