"""Affine maps move pictures as torchvision's functions do, one map for each picture, in one resampling."""

import math

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from tasks.images.geometry import draw_crops, draw_mirrors, flip, mirror, rotate, shear, shift, warp
from tests.tasks.images.recipe import draw_pictures, seeded

SIZES = [(32, 32), (24, 40)]
BILINEAR = InterpolationMode.BILINEAR


def middle(pictures: Tensor) -> Tensor:
    """Return what lies so far inside that no edge is seen there: beyond it torchvision shows black."""
    height, width = pictures.shape[2:]
    return pictures[:, :, height // 3 : -height // 3, width // 3 : -width // 3]


@pytest.mark.parametrize("size", [*SIZES, (37, 53)])
def test_the_identity_keeps_every_pixel(size: tuple[int, int]) -> None:
    batch = draw_pictures(3, *size)
    torch.testing.assert_close(warp(batch, torch.eye(3).expand(3, 3, 3)), batch, atol=2e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("degrees", [7.0, -30.0, 90.0])
def test_a_rotation_is_torchvision_s(size: tuple[int, int], degrees: float) -> None:
    batch = draw_pictures(2, *size)
    turned = warp(batch, rotate(torch.tensor([degrees, 0.0]), size[1] / size[0]))
    expected = TF.rotate(batch, degrees, interpolation=BILINEAR)
    torch.testing.assert_close(middle(turned)[0], middle(expected)[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(turned[1], batch[1], atol=2e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("across", "down"), [(0.3, 0.0), (0.0, -0.2)])
def test_a_shear_is_torchvision_s(size: tuple[int, int], across: float, down: float) -> None:
    batch = draw_pictures(1, *size)
    sheared = warp(batch, shear(torch.tensor([across]), torch.tensor([down]), size[1] / size[0]))
    angles = [math.degrees(math.atan(across)), math.degrees(math.atan(down))]
    expected = TF.affine(batch, 0.0, [0, 0], 1.0, angles, interpolation=BILINEAR)
    torch.testing.assert_close(middle(sheared), middle(expected), atol=1e-4, rtol=0)


def test_a_shift_is_by_shares_of_the_sides() -> None:
    batch = draw_pictures(1, 24, 40)
    moved = warp(batch, shift(torch.tensor([0.25]), torch.tensor([-0.125])))
    torch.testing.assert_close(moved[:, :, 3:, :-10], batch[:, :, :-3, 10:], atol=2e-5, rtol=0)


def test_beyond_the_edge_the_picture_is_mirrored() -> None:
    batch = draw_pictures(1, 8, 8)
    moved = warp(batch, shift(torch.tensor([0.25]), torch.tensor([0.0])))
    torch.testing.assert_close(moved[:, :, :, -2:], batch[:, :, :, -2:].flip(3), atol=2e-5, rtol=0)


@pytest.mark.parametrize("smallest", [0.08, 0.5, 0.9])
def test_crops_keep_their_share_of_the_area_and_lie_inside(smallest: float) -> None:
    maps = draw_crops(2000, smallest, seeded())
    areas = torch.linalg.det(maps)
    assert areas.min() >= smallest - 1e-5 and areas.max() <= 1 + 1e-5
    assert areas.mean() == pytest.approx((1 + smallest) / 2, abs=0.02)
    corners = maps @ torch.tensor([[-1.0, 1, -1, 1], [-1, -1, 1, 1], [1, 1, 1, 1]])
    assert corners.abs().max() <= 1 + 1e-5
    ratios = maps[:, 0, 0] / maps[:, 1, 1]
    assert ratios.min() >= 3 / 4 - 1e-5 and ratios.max() <= 4 / 3 + 1e-5


def test_a_crop_is_torchvision_s() -> None:
    batch = draw_pictures(1, 32, 32)
    # The 16 x 8 pixels whose corner is 4 from the left and 10 from the top.
    crop = torch.tensor([[[16 / 32, 0, 2 * 12 / 32 - 1], [0, 8 / 32, 2 * 14 / 32 - 1], [0, 0, 1]]])
    expected = TF.resized_crop(batch, 10, 4, 8, 16, [32, 32], BILINEAR, antialias=False)
    torch.testing.assert_close(middle(warp(batch, crop)), middle(expected), atol=1e-4, rtol=0)


def test_maps_are_composed_from_the_last_change_to_the_first() -> None:
    batch = draw_pictures(1, 32, 32)
    quarter, left = rotate(torch.tensor([90.0]), 1.0), shift(torch.tensor([0.25]), torch.tensor([0.0]))
    both = warp(batch, quarter @ left)
    torch.testing.assert_close(both[..., :24], warp(warp(batch, quarter), left)[..., :24], atol=1e-4, rtol=0)


def test_a_mirror_map_mirrors_as_a_flip_does() -> None:
    batch, mirrors = draw_pictures(40, 20, 28), draw_mirrors(40, 0.5, 0.5, seeded())
    assert len({tuple(row) for row in mirrors.tolist()}) == 4
    torch.testing.assert_close(warp(batch, mirror(mirrors)), flip(batch, mirrors), atol=2e-5, rtol=0)
