"""Which places of an input raised the probability of the class that an exported model chose.

TorchScript hides a model's layers, which Grad-CAM needs, but it gives gradients. So this is Integrated Gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

STEPS = 16
# Width of the smoothing, as a share of the shorter side: single values are noise.
SMOOTHING = 1 / 12
# Share of a picture's own colours that stays visible under its map.
COLOUR_KEPT = 0.35


def attribute(predict: Callable[[Tensor], Tensor], shown: Tensor, hidden: Tensor, *, steps: int = STEPS) -> Tensor:
    """Return each value's share in the rise of the chosen class's probability from the input `hidden` to `shown`.

    Integrated Gradients (Sundararajan 2017): the shares, of the input's shape, add up to the rise. `predict` maps a
    batch to probabilities (batch, classes).
    """
    with torch.no_grad():
        chosen = int(predict(shown[None])[0].argmax())
    total = torch.zeros_like(shown)
    for step in range(steps):
        between = (hidden + (shown - hidden) * (step + 0.5) / steps).requires_grad_(True)
        (gradient,) = torch.autograd.grad(predict(between[None])[0, chosen], between)
        total += gradient
    return total / steps * (shown - hidden)


def make_map(shares: Tensor) -> NDArray[np.float32]:
    """Return the positive shares (height, width), smoothed and scaled to 0..1: (height, width)."""
    radius = max(1, round(min(shares.shape) * SMOOTHING)) // 2
    heat = shares.clamp(min=0)[None, None]
    for _ in range(2):
        heat = F.avg_pool2d(heat, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
    return (heat[0, 0] / heat.max().clamp(min=1e-12)).numpy()


def overlay_map(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3), paled, with a map of 0..1 drawn over it from dark red to yellow."""
    from matplotlib import colormaps

    grey = picture.mean(2, keepdims=True)
    pale = COLOUR_KEPT * picture + (1 - COLOUR_KEPT) * grey
    colours = np.asarray(colormaps["hot"](0.25 + 0.6 * heat))[..., :3] * 255
    strength = 0.8 * heat[..., None]
    return (strength * colours + (1 - strength) * pale).astype(np.uint8)
