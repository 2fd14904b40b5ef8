"""RandAugment: a few operations for each picture, drawn from fourteen, all of the same strength.

Cubuk et al. 2020; the operations and their ranges are torchvision's. Operations that move pixels are merged into the
other affine maps, and operations that are linear in the colours into the other tone changes. So each picture is
resampled once and clamped to 0..1 once. The remaining operations are applied afterwards.
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
class DrawnOperations:
    """The operations of a batch: numbers and signs (pictures, operations), and their common strength, 0 to 1."""

    numbers: Tensor
    signs: Tensor
    strength: float

    def amounts(self, operation: str) -> Tensor:
        """Return the signed strength of one operation, (pictures, operations), 0 where another was drawn."""
        return (self.numbers == OPERATIONS.index(operation)) * self.signs * self.strength


def draw_operations(pictures: int, count: int, *, strength: float, generator: torch.Generator) -> DrawnOperations:
    """Draw `count` operations for each picture, with replacement; the sign of each is random too."""
    numbers = torch.randint(len(OPERATIONS), (pictures, count), generator=generator)
    signs = 2 * torch.randint(2, (pictures, count), generator=generator) - 1
    return DrawnOperations(numbers, signs.float(), strength)


def make_maps(drawn: DrawnOperations, aspect: float) -> Tensor:
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


def join_tones(drawn: DrawnOperations, tones: Tones) -> Tones:
    """Return tones that include the drawn brightness, saturation and contrast."""
    factors = {
        name: getattr(tones, name) * (1 + FACTOR * drawn.amounts(name)).prod(1)
        for name in ("brightness", "saturation", "contrast")
    }
    return replace(tones, **factors)


def change_values(batch: Tensor, drawn: DrawnOperations) -> Tensor:
    """Apply the operations that are not linear to pictures (batch, 3, height, width), RGB in 0..1."""
    changed = batch.clone()
    for step in range(drawn.numbers.shape[1]):
        for name, operate in VALUE_OPERATIONS.items():
            rows = (drawn.numbers[:, step] == OPERATIONS.index(name)).nonzero().squeeze(1)
            if len(rows):
                amounts = (drawn.signs[rows, step] * drawn.strength).view(-1, 1, 1, 1).to(batch.device)
                rows = rows.to(batch.device)
                changed[rows] = operate(changed[rows], amounts)
    return changed


def sharpen(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Sharpen, or soften where the amount is negative; the outermost pixels do not change."""
    inner = pictures[:, :, 1:-1, 1:-1]
    smooth = (9 * F.avg_pool2d(pictures, 3, stride=1) + 4 * inner) / 13
    sharp = pictures.clone()
    sharp[:, :, 1:-1, 1:-1] = (smooth + (1 + FACTOR * amounts) * (inner - smooth)).clamp_(0, 1)
    return sharp


def posterise(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Keep the highest bits of each 8-bit value: the greater the amount, the fewer."""
    step = 2 ** (BITS * amounts.abs()).round()
    return (_count_levels(pictures) / step).floor() * step / (LEVELS - 1)


def solarise(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Invert values at or above a threshold: 1 minus the amount."""
    return torch.where(pictures >= 1 - amounts.abs(), 1 - pictures, pictures)


def stretch_contrast(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Stretch each channel of each picture to 0..1; a channel with a single value does not change."""
    low, high = pictures.amin((2, 3), keepdim=True), pictures.amax((2, 3), keepdim=True)
    flat = high == low
    return (pictures - torch.where(flat, 0, low)) / torch.where(flat, 1, high - low)


def equalise(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Equalise the histogram of each channel of each picture, as Pillow's ImageOps.equalize does."""
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


VALUE_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sharpness": sharpen,
    "posterise": posterise,
    "solarise": solarise,
    "autocontrast": stretch_contrast,
    "equalise": equalise,
}
