"""Brightness, contrast, saturation and hue, all in one matrix for each picture."""

from dataclasses import dataclass
from math import tau

import torch
from torch import Tensor

YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""Luma and the two chroma axes (NTSC): a rotation about the luma axis changes only the hue."""


@dataclass(frozen=True)
class Tones:
    """The change of each picture of a batch, each (batch): three factors (1: no change) and a rotation of the hues."""

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue_turns: Tensor


def draw_tones(count: int, *, jitter: float, hue: float, generator: torch.Generator) -> Tones:
    """Draw factors between 1 - jitter and 1 + jitter, and turns between -hue and hue (torchvision's ColorJitter)."""
    brightness, contrast, saturation = 1 + jitter * (2 * torch.rand((3, count), generator=generator) - 1)
    return Tones(brightness, contrast, saturation, hue * (2 * torch.rand(count, generator=generator) - 1))


def change_tones(batch: Tensor, tones: Tones) -> Tensor:
    """Return pictures (batch, 3, height, width), RGB in 0..1, with changed tones.

    The four changes are linear, and their order does not matter because values are clamped to 0..1 once, at the end.
    Contrast is relative to the picture's mean luma.
    """
    colours, gain = _make_matrices(tones)
    matrices = (gain.view(-1, 1, 1) * colours).to(batch.device)
    pivots = (tones.brightness * (1 - tones.contrast)).to(batch.device)
    planes = batch.flatten(2)
    luma = planes.mean(2) @ torch.tensor(YIQ[0], device=batch.device)
    changed = torch.bmm(matrices, planes).add_((pivots * luma).view(-1, 1, 1))
    return changed.clamp_(0, 1).view(batch.shape)


def _make_matrices(tones: Tones) -> tuple[Tensor, Tensor]:
    """Return the matrices (batch, 3, 3) of saturation and hue, which keep the luma, and the overall factors (batch)."""
    into = torch.tensor(YIQ)
    angles = tones.hue_turns * tau
    cosine, sine = tones.saturation * angles.cos(), tones.saturation * angles.sin()
    turned = torch.zeros(len(angles), 3, 3)
    turned[:, 0, 0] = 1
    turned[:, 1, 1] = turned[:, 2, 2] = cosine
    turned[:, 1, 2], turned[:, 2, 1] = -sine, sine
    return torch.linalg.inv(into) @ turned @ into, tones.brightness * tones.contrast
