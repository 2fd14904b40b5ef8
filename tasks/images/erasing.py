"""Augmentation by noise: a rectangle of noise in a picture, and Gaussian noise all over it."""

import math

import torch
from torch import Tensor

from tasks.images.geometry import draw_sides
from tasks.learning.cutmix import mark_boxes
from tasks.learning.randomness import make_generator

AREAS = (0.02, 0.33)
LOG_RATIO = math.log(3.3)
"""Range of areas and largest aspect ratio, both as torchvision's RandomErasing."""


def erase(batch: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Fill a rectangle of about `share` of the pictures (batch, channels, height, width) with noise in 0..1.

    Zhong et al. 2020, "Random Erasing". The batch shares one picture of noise; each picture has a rectangle of its own,
    and so shows another region of that noise.
    """
    count, size = len(batch), batch.shape[2:]
    areas = AREAS[0] + (AREAS[1] - AREAS[0]) * torch.rand(count, generator=generator)
    chosen = torch.rand(count, generator=generator) < share
    width, height = draw_sides(areas, LOG_RATIO, generator)
    rows, columns = _place(chosen * height, size[0], generator), _place(chosen * width, size[1], generator)
    inside = mark_boxes(rows, columns, size).to(batch.device)
    noise = torch.rand(batch.shape[1:], generator=generator).to(batch.device)
    return batch.lerp(noise, inside)


def add_noise(batch: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of standard deviation `std` to pictures in 0..1, and clamp them to that range.

    The noise is drawn on the batch's device, by a separate generator that `generator` seeds.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    own = make_generator(batch.device, "noise", seed)
    noise = torch.randn(batch.shape, generator=own, device=batch.device)
    return torch.add(batch, noise, alpha=std).clamp_(0, 1)


def _place(sides: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Draw the start and end (batch, 2) of spans of `sides` (shares of `length`) that lie completely inside."""
    span = (sides * length).round()
    start = (torch.rand(len(sides), generator=generator) * (length - span + 1)).floor()
    return torch.stack([start, start + span], 1)
