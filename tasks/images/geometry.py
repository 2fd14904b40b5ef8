"""Affine maps, one for each picture of a batch, composed and then applied in a single resampling.

A map is a matrix (3, 3) from a position in the new picture to the position in the old picture that is shown there.
Both are in -1..1 from edge to edge. Maps are small and are made on the cpu.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LOG_RATIO = math.log(4 / 3)
"""Widest and narrowest crop: 4/3 and 3/4, as torchvision's RandomResizedCrop."""


def draw_uniform(count: int, largest: float, generator: torch.Generator) -> Tensor:
    """Draw numbers (count) between -largest and largest."""
    return (2 * torch.rand(count, generator=generator) - 1) * largest


def draw_sides(areas: Tensor, log_ratio: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw the width and height, as shares of the picture's, of boxes with these shares of its area.

    The aspect ratio is within exp(±log_ratio), and closer to 1 where a box of that area would not fit. So each box fits
    at the first draw and has exactly its area.
    """
    widest = (-areas.log()).clamp(max=log_ratio)
    ratios = (draw_uniform(len(areas), 1.0, generator) * widest).exp()
    return (areas * ratios).sqrt(), (areas / ratios).sqrt()


def draw_crops(count: int, smallest: float, generator: torch.Generator) -> Tensor:
    """Draw maps that crop the picture to a share of its area between `smallest` and 1."""
    areas = 1 - (1 - smallest) * torch.rand(count, generator=generator)
    width, height = draw_sides(areas, LOG_RATIO, generator)
    across = draw_uniform(count, 1.0, generator) * (1 - width)
    down = draw_uniform(count, 1.0, generator) * (1 - height)
    zero, one = torch.zeros(count), torch.ones(count)
    return stack_maps([width, zero, across], [zero, height, down], [zero, zero, one])


def rotate(degrees: Tensor, aspect: float) -> Tensor:
    """Return maps that rotate the picture counter-clockwise; `aspect` is its width divided by its height."""
    sine, cosine = degrees.deg2rad().sin(), degrees.deg2rad().cos()
    zero, one = torch.zeros_like(sine), torch.ones_like(sine)
    return stack_maps([cosine, -sine / aspect, zero], [sine * aspect, cosine, zero], [zero, zero, one])


def shear(across: Tensor, down: Tensor, aspect: float) -> Tensor:
    """Return maps that shift each row by `across` times its y, and each column by `down` times its x, in pixels."""
    zero, one = torch.zeros_like(across), torch.ones_like(across)
    return stack_maps([one, across / aspect, zero], [down * aspect, one, zero], [zero, zero, one])


def shift(across: Tensor, down: Tensor) -> Tensor:
    """Return maps that move the picture by these shares of its width and height, to the left and up."""
    zero, one = torch.zeros_like(across), torch.ones_like(across)
    return stack_maps([one, zero, 2 * across], [zero, one, 2 * down], [zero, zero, one])


def stack_maps(*rows: list[Tensor]) -> Tensor:
    """Return matrices (count, 3, 3) of their nine elements, each (count)."""
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def warp(batch: Tensor, maps: Tensor) -> Tensor:
    """Return pictures (batch, channels, height, width) resampled bilinearly, mirrored beyond their edges.

    The contributions of column and row are computed separately, so that the identity keeps every value, except for
    rounding in the last bits of a coordinate.
    """
    height, width = batch.shape[2:]
    maps = maps.to(batch.device)[:, :2]
    columns = maps[:, :, :1] * _centres(width, batch.device) + maps[:, :, 2:]
    rows = maps[:, :, 1:2] * _centres(height, batch.device)
    grid = columns.unsqueeze(2) + rows.unsqueeze(3)  # (batch, 2, height, width)
    return F.grid_sample(batch, grid.permute(0, 2, 3, 1), padding_mode="reflection", align_corners=False)


def draw_mirrors(count: int, across: float, down: float, generator: torch.Generator) -> Tensor:
    """Draw which pictures are mirrored left to right and which upside down: (count, 2), bool."""
    return torch.rand((count, 2), generator=generator) < torch.tensor([across, down])


def mirror(mirrors: Tensor) -> Tensor:
    """Return maps that mirror the pictures that `mirrors` (count, 2) chooses."""
    return torch.diag_embed(torch.cat([1.0 - 2 * mirrors, torch.ones(len(mirrors), 1)], 1))


def flip(batch: Tensor, mirrors: Tensor) -> Tensor:
    """Mirror, pixel for pixel, the pictures that `mirrors` (batch, 2) chooses."""
    for axis, chosen in zip((3, 2), mirrors.unbind(1), strict=True):
        if chosen.any():
            batch = torch.where(chosen.to(batch.device).view(-1, 1, 1, 1), batch.flip(axis), batch)
    return batch


def _centres(length: int, device: torch.device) -> Tensor:
    return (2 * torch.arange(length, device=device) + 1) / length - 1
