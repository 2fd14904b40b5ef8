"""Rectangles of noise are as frequent and as large as asked; Gaussian noise has the standard deviation asked for."""

import pytest
import torch

from tasks.images.erasing import AREAS, add_noise, erase
from tests.tasks.images.recipe import draw_pictures, seeded

SIDE = 40


@pytest.mark.parametrize("share", [0.2, 0.7, 1.0])
def test_rectangles_are_as_frequent_as_asked(share: float) -> None:
    hidden = (erase(torch.full((1000, 1, SIDE, SIDE), 2.0), share, seeded()) != 2).any(3).any(2).any(1)
    assert hidden.float().mean() == pytest.approx(share, abs=5 * (share * (1 - share) / 1000) ** 0.5)


def test_what_is_erased_is_one_rectangle_whose_area_is_within_the_range() -> None:
    hidden = (erase(torch.full((1000, 3, SIDE, SIDE), 2.0), 1.0, seeded()) != 2).all(1)
    assert hidden.any(2).any(1).all()
    rows, columns = hidden.any(2).sum(1), hidden.any(1).sum(1)
    assert torch.equal(rows * columns, hidden.sum((1, 2))), "no rectangle"
    areas = hidden.float().mean((1, 2))
    rounding = 1 / SIDE  # each side is rounded to a pixel, by half of one at most
    assert areas.min() > AREAS[0] - rounding / 2 and areas.max() < AREAS[1] + rounding
    assert areas.mean() == pytest.approx(sum(AREAS) / 2, abs=0.02)
    assert hidden.any(0).any(0).all() and hidden.any(0).any(1).all(), "some rows or columns are never reached"


def test_the_rest_of_the_picture_stays_and_the_rectangle_is_noise_in_0_to_1() -> None:
    batch = draw_pictures(50, SIDE, SIDE) + 2
    erased = erase(batch, 0.5, seeded())
    new = erased[erased < 2]
    assert torch.equal(erased[erased >= 2], batch[erased >= 2])
    assert new.min() >= 0 and new.max() < 1
    assert new.mean() == pytest.approx(0.5, abs=0.02) and new.std() == pytest.approx(12**-0.5, abs=0.02)


def test_gaussian_noise_is_as_strong_as_asked_and_each_picture_s_own() -> None:
    grey = torch.full((16, 3, 32, 32), 0.5)
    noise = add_noise(grey, 0.05, seeded()) - grey
    assert noise.std() == pytest.approx(0.05, rel=0.02) and noise.mean().abs() < 0.001
    assert (torch.corrcoef(noise.flatten(1)) - torch.eye(16)).abs().max() < 0.1


def test_noise_never_leaves_the_range_of_pictures() -> None:
    noisy = add_noise(draw_pictures(8).round(), 0.5, seeded())
    assert noisy.min() == 0 and noisy.max() == 1
