"""What in an input speaks for the class that an exported model chose, found by asking the model alone.

An exported file lets nobody look at its layers, as Grad-CAM would; gradients it gives.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

STEPS = 16
# Of the shorter side: what a map is smoothed over, since single values are noise.
SMOOTHED = 1 / 12
# How much of a picture's own colours stays under its map.
COLOUR_KEPT = 0.35


def attribute(ask: Callable[[Tensor], Tensor], shown: Tensor, hidden: Tensor, *, steps: int = STEPS) -> Tensor:
    """Return each value's share in the rise of the chosen class's probability from the input `hidden` to `shown`.

    Integrated Gradients (Sundararajan 2017): the shares, of the input's shape, add up to the rise. `ask` takes a
    batch to probabilities (batch, classes).
    """
    with torch.no_grad():
        chosen = int(ask(shown[None])[0].argmax())
    total = torch.zeros_like(shown)
    for step in range(steps):
        between = (hidden + (shown - hidden) * (step + 0.5) / steps).requires_grad_(True)
        (gradient,) = torch.autograd.grad(ask(between[None])[0, chosen], between)
        total += gradient
    return total / steps * (shown - hidden)


def make_map(shares: Tensor) -> NDArray[np.float32]:
    """Return where shares (height, width) speak for the class, smoothed: (height, width) in 0..1."""
    reach = max(1, round(min(shares.shape) * SMOOTHED)) // 2
    heat = shares.clamp(min=0)[None, None]
    for _ in range(2):
        heat = F.avg_pool2d(heat, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
    return (heat[0, 0] / heat.max().clamp(min=1e-12)).numpy()


def lay_map(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3), paled, with its map of 0..1 laid over it, dark red to yellow."""
    from matplotlib import colormaps

    grey = picture.mean(2, keepdims=True)
    pale = COLOUR_KEPT * picture + (1 - COLOUR_KEPT) * grey
    colours = np.asarray(colormaps["hot"](0.25 + 0.6 * heat))[..., :3] * 255
    strength = 0.8 * heat[..., None]
    return (strength * colours + (1 - strength) * pale).astype(np.uint8)
