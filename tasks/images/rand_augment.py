"""RandAugment: a few operations a picture, drawn from fourteen, all of one strength.

Cubuk et al. 2020; the operations and their ranges are torchvision's. What moves pixels joins the other affine
maps, what is linear in the colours joins the other tones; so each picture is resampled once and cut to 0..1
once, and the rest follows after them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.images.geometry import rotate, shear, shift
from tasks.images.tones import Tones

OPERATIONS = (
    "identity", "shear_x", "shear_y", "shift_x", "shift_y", "rotate", "brightness", "saturation", "contrast",
    "sharpness", "posterise", "solarise", "autocontrast", "equalise",
)  # fmt: skip
LARGEST_MAGNITUDE = 30
SHEAR, SHIFT, ROTATION_DEG, FACTOR, BITS = 0.3, 150 / 331, 30.0, 0.9, 4  # at that magnitude
LEVELS = 256


@dataclass(frozen=True)
class Drawn:
    """The operations of a batch: numbers and signs (pictures, operations), and their common strength, 0 to 1."""

    numbers: Tensor
    signs: Tensor
    strength: float

    def amounts(self, operation: str) -> Tensor:
        """Return the signed strength of one operation, (pictures, operations), 0 where another was drawn."""
        return (self.numbers == OPERATIONS.index(operation)) * self.signs * self.strength


def draw_operations(pictures: int, count: int, *, strength: float, generator: torch.Generator) -> Drawn:
    """Draw `count` operations for each picture, any of them more than once, those with a direction either way."""
    numbers = torch.randint(len(OPERATIONS), (pictures, count), generator=generator)
    signs = 2 * torch.randint(2, (pictures, count), generator=generator) - 1
    return Drawn(numbers, signs.float(), strength)


def map_places(drawn: Drawn, aspect: float) -> Tensor:
    """Return each picture's affine map (pictures, 3, 3); see `geometry`."""
    steps = drawn.numbers.shape[1]
    maps = torch.eye(3).expand(len(drawn.numbers), 3, 3)
    moves = {name: drawn.amounts(name) for name in OPERATIONS[1:6]}
    for step in range(steps):
        now = {name: amount[:, step] for name, amount in moves.items()}
        maps = maps @ shift(now["shift_x"] * SHIFT, now["shift_y"] * SHIFT)
        maps = maps @ shear(now["shear_x"] * SHEAR, now["shear_y"] * SHEAR, aspect)
        maps = maps @ rotate(now["rotate"] * ROTATION_DEG, aspect)
    return maps


def join_tones(drawn: Drawn, tones: Tones) -> Tones:
    """Return tones with the drawn brightness, saturation and contrast in them."""
    factors = {
        name: getattr(tones, name) * (1 + FACTOR * drawn.amounts(name)).prod(1)
        for name in ("brightness", "saturation", "contrast")
    }
    return replace(tones, **factors)


def change_values(batch: Tensor, drawn: Drawn) -> Tensor:
    """Return pictures (batch, 3, height, width), RGB in 0..1, after the operations that are not linear."""
    changed = batch.clone()
    for step in range(drawn.numbers.shape[1]):
        for name, alter in ALTERATIONS.items():
            rows = (drawn.numbers[:, step] == OPERATIONS.index(name)).nonzero().squeeze(1)
            if len(rows):
                amounts = (drawn.signs[rows, step] * drawn.strength).view(-1, 1, 1, 1).to(batch.device)
                rows = rows.to(batch.device)
                changed[rows] = alter(changed[rows], amounts)
    return changed


def sharpen(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Sharpen, or soften where the amount is negative; the outermost pixels stay."""
    inner = pictures[:, :, 1:-1, 1:-1]
    smooth = (9 * F.avg_pool2d(pictures, 3, stride=1) + 4 * inner) / 13
    sharp = pictures.clone()
    sharp[:, :, 1:-1, 1:-1] = (smooth + (1 + FACTOR * amounts) * (inner - smooth)).clamp_(0, 1)
    return sharp


def posterise(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Keep 8 bits of each value, less the more strength."""
    step = 2 ** (BITS * amounts.abs()).round()
    return (_count_levels(pictures) / step).floor() * step / (LEVELS - 1)


def solarise(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Invert what is as bright as a threshold: 1 without strength, lower with more."""
    return torch.where(pictures >= 1 - amounts.abs(), 1 - pictures, pictures)


def stretch_contrast(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Stretch each channel of each picture to 0..1; a channel of one value stays."""
    low, high = pictures.amin((2, 3), keepdim=True), pictures.amax((2, 3), keepdim=True)
    flat = high == low
    return (pictures - torch.where(flat, 0, low)) / torch.where(flat, 1, high - low)


def equalise(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Spread each channel's 256 values of each picture evenly, as Pillow's ImageOps.equalize."""
    levels = _count_levels(pictures).long().flatten(2).flatten(0, 1)
    counts = torch.zeros(len(levels), LEVELS, dtype=torch.long, device=levels.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels))
    brightest = counts.gather(1, levels.amax(1, keepdim=True))
    step = (levels.shape[1] - brightest) // (LEVELS - 1)
    before = counts.cumsum(1) - counts
    table = ((before + step // 2) // step.clamp(min=1)).clamp(max=LEVELS - 1)
    table = torch.where(step == 0, torch.arange(LEVELS, device=levels.device), table)
    return (table.float() / (LEVELS - 1)).gather(1, levels).view(pictures.shape)


def _count_levels(pictures: Tensor) -> Tensor:
    return (pictures * (LEVELS - 1)).round()


ALTERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sharpness": sharpen,
    "posterise": posterise,
    "solarise": solarise,
    "autocontrast": stretch_contrast,
    "equalise": equalise,
}
