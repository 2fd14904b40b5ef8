"""Affine maps, one for each picture of a batch, composed and then applied in a single resampling.

A map is a matrix (3, 3) from a place in the new picture to the place of the old one that is shown there, both
in -1..1 from edge to edge. They are small and made on the cpu.
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

    Their ratio lies within exp(±log_ratio), and closer to 1 where a box of that area would not fit: none need
    be drawn again, and each has the very area.
    """
    widest = (-areas.log()).clamp(max=log_ratio)
    ratios = (draw_uniform(len(areas), 1.0, generator) * widest).exp()
    return (areas * ratios).sqrt(), (areas / ratios).sqrt()


def draw_crops(count: int, smallest: float, generator: torch.Generator) -> Tensor:
    """Draw maps that show a part of the picture, its share of the area between `smallest` and 1."""
    areas = 1 - (1 - smallest) * torch.rand(count, generator=generator)
    width, height = draw_sides(areas, LOG_RATIO, generator)
    across = draw_uniform(count, 1.0, generator) * (1 - width)
    down = draw_uniform(count, 1.0, generator) * (1 - height)
    zero, one = torch.zeros(count), torch.ones(count)
    return stack_maps([width, zero, across], [zero, height, down], [zero, zero, one])


def rotate(degrees: Tensor, aspect: float) -> Tensor:
    """Return maps that turn the picture counter-clockwise; `aspect` is its width divided by its height."""
    sine, cosine = degrees.deg2rad().sin(), degrees.deg2rad().cos()
    zero, one = torch.zeros_like(sine), torch.ones_like(sine)
    return stack_maps([cosine, -sine / aspect, zero], [sine * aspect, cosine, zero], [zero, zero, one])


def shear(across: Tensor, down: Tensor, aspect: float) -> Tensor:
    """Return maps that shift rows by `across` of their height, and columns by `down` of their place, in pixels."""
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

    Each column's and each row's part is computed by itself, so that the identity keeps every value but for the
    last bits of a coordinate.
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
    """Return maps that mirror the pictures chosen, (count, 2)."""
    return torch.diag_embed(torch.cat([1.0 - 2 * mirrors, torch.ones(len(mirrors), 1)], 1))


def flip(batch: Tensor, mirrors: Tensor) -> Tensor:
    """Return pictures with those chosen, (batch, 2), mirrored pixel for pixel."""
    for axis, chosen in zip((3, 2), mirrors.unbind(1), strict=True):
        if chosen.any():
            batch = torch.where(chosen.to(batch.device).view(-1, 1, 1, 1), batch.flip(axis), batch)
    return batch


def _centres(length: int, device: torch.device) -> Tensor:
    return (2 * torch.arange(length, device=device) + 1) / length - 1
