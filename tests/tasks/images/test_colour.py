"""Colour spaces are those of the standard library and of published tables, also in TorchScript and under autocast."""

import colorsys

import pytest
import torch
from torch import Tensor

from tasks.images.colour import STATISTICS, ColourSpace, make_hsv, make_lab
from tests.tasks.images.recipe import draw_pictures

SPACES = list(STATISTICS)
# CIELAB of sRGB colours under D65, two decimals, as published (Lindbloom's calculator, the tables of CSS Color 4).
PUBLISHED = {
    "white": ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
    "black": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    "red": ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
    "green": ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
    "blue": ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
    "yellow": ((1.0, 1.0, 0.0), (97.14, -21.55, 94.48)),
    "grey": ((128 / 255, 128 / 255, 128 / 255), (53.59, 0.0, 0.0)),
}


def paint(colour: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colour).view(1, 3, 1, 1)


@pytest.mark.parametrize("name", PUBLISHED)
def test_lab_is_the_published_one(name: str) -> None:
    colour, expected = PUBLISHED[name]
    torch.testing.assert_close(make_lab(paint(colour)).flatten(), torch.tensor(expected), atol=0.02, rtol=0)


def test_hsv_is_the_standard_library_s() -> None:
    noise = draw_pictures(2, 16, 16)
    few = draw_pictures(2, 16, 16, seed=1).mul(2).round() / 2  # greys, ties, black and white
    pictures = torch.cat([noise, few])
    ours = make_hsv(pictures).permute(0, 2, 3, 1).flatten(0, 2)
    colours = pictures.permute(0, 2, 3, 1).flatten(0, 2).double().tolist()
    expected = torch.tensor([colorsys.rgb_to_hsv(*colour) for colour in colours])
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("space", SPACES)
def test_the_layer_subtracts_the_mean_and_divides_by_the_standard_deviation(space: str) -> None:
    pictures = draw_pictures(3)
    channels = {"rgb": lambda p: p, "hsv": make_hsv, "lab": make_lab}[space](pictures)
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in STATISTICS[space])
    torch.testing.assert_close(ColourSpace(space)(pictures) * std + mean, channels)


@pytest.mark.parametrize("space", SPACES)
def test_the_layer_is_scriptable_and_changes_neither_its_input_nor_the_layout(space: str) -> None:
    layer, pictures = ColourSpace(space), draw_pictures(2)
    before = pictures.clone()
    normalised = layer(pictures)
    assert torch.equal(torch.jit.script(layer)(pictures), normalised)
    assert torch.equal(pictures, before)
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    assert not layer.state_dict()


@pytest.mark.parametrize("space", SPACES)
def test_autocast_takes_no_digits_away(space: str) -> None:
    layer, pictures = ColourSpace(space), draw_pictures(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        normalised = layer(pictures)
    assert normalised.dtype == torch.float32 and torch.equal(normalised, layer(pictures))


@pytest.mark.parametrize("space", SPACES)
def test_every_colour_gives_finite_numbers(space: str) -> None:
    steps = torch.linspace(0, 1, 18)
    cube = torch.cartesian_prod(steps, steps, steps).T.reshape(1, 3, -1, 18)
    assert torch.isfinite(ColourSpace(space)(cube)).all()
