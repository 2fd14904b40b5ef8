"""Conversion from RGB to the colour space that a network uses, as its first layer; scriptable."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

# Mean and standard deviation of each channel. RGB: ImageNet's. HSV and LAB: of a third of Imagenette's training
# pictures at 64 px, measured for this table.
STATISTICS: Mapping[str, Statistics] = {
    "rgb": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "hsv": ((0.324, 0.294, 0.519), (0.275, 0.254, 0.275)),
    "lab": ((48.3, 0.65, 4.42), (26.9, 11.1, 17.5)),
}


class ColourSpace(nn.Module):
    """Pictures (batch, 3, height, width), RGB in 0..1, to normalised channels of another colour space.

    A network with published weights brings the mean and standard deviation of `rgb` that they expect.
    """

    space: Final[str]
    mean: Tensor
    std: Tensor

    def __init__(self, space: str, *, rgb: Statistics = STATISTICS["rgb"]) -> None:
        super().__init__()
        self.space = space
        mean, std = rgb if space == "rgb" else STATISTICS[space]
        # The colour space determines them, so they are not part of the weights.
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return channels of about mean 0 and standard deviation 1."""
        if self.space == "hsv":
            channels = make_hsv(pictures)
        elif self.space == "lab":
            channels = make_lab(pictures)
        else:
            channels = pictures
        return (channels - self.mean) / self.std


def make_hsv(pictures: Tensor) -> Tensor:
    """Return hue (share of the colour circle, red 0), saturation and value, each in 0..1."""
    red, green, blue = pictures.unbind(1)
    value, low = pictures.amax(1), pictures.amin(1)
    span = value - low
    divisor = torch.where(span > 0, span, torch.ones_like(span))
    from_red = torch.remainder((green - blue) / divisor, 6.0)
    from_green, from_blue = (blue - red) / divisor + 2, (red - green) / divisor + 4
    hue = torch.where(value == red, from_red, torch.where(value == green, from_green, from_blue)) / 6
    saturation = span / torch.where(value > 0, value, torch.ones_like(value))
    return _stack_channels([hue, saturation, value])


def make_lab(pictures: Tensor) -> Tensor:
    """Return CIELAB (white D65) of sRGB: L in 0..100, a and b within about ±110.

    Sums, not a matrix product, which bf16 autocast would round to two digits.
    """
    linear = torch.where(pictures <= 0.04045, pictures / 12.92, ((pictures + 0.055) / 1.055) ** 2.4)
    red, green, blue = linear.unbind(1)
    x = _compress((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
    y = _compress(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    z = _compress((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883)
    return _stack_channels([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _compress(light: Tensor) -> Tensor:
    """CIE's cube root, linear near black."""
    return torch.where(light > (6 / 29) ** 3, light.clamp(min=1e-6) ** (1 / 3), light * (29 / 6) ** 2 / 3 + 4 / 29)


def _stack_channels(channels: list[Tensor]) -> Tensor:
    """Return (batch, 3, height, width), channels last."""
    return torch.stack(channels, -1).permute(0, 3, 1, 2)
