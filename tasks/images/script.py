"""The ensemble as one TorchScript module from pictures to probabilities, for the export."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.images.member import Member
from tasks.images.transforms import choose_wrapper
from tasks.learning.script import Assembled, Classifier, View, Voter

EXAMPLE_SHAPE = (2, 3, 96, 128)


class Square(nn.Module):
    """Pictures of any size to squares: the centre is cropped and resampled to `pixels`, as for training.

    (batch, 3, height, width) uint8, RGB, to (batch, 3, pixels, pixels) float32 in 0..1.
    """

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the squares."""
        height, width = pictures.size(2), pictures.size(3)
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        middle = pictures[:, :, top : top + side, left : left + side].float() / 255.0
        return F.interpolate(middle, size=[self.pixels, self.pixels], mode="bicubic", antialias=True).clamp(0.0, 1.0)


def assemble(voters: list[Voter[Member]], labels: list[str]) -> Assembled:
    """Return the mean of the ensembles of all rounds, in evaluation mode; each size of square is computed once.

    The model takes pictures (batch, 3, height, width) uint8, RGB, of any size.
    """
    views = []
    for pixels in sorted({voter.fit.input_shape[0] for voter in voters}):
        chosen = [voter for voter in voters if voter.fit.input_shape[0] == pixels]
        networks = [choose_wrapper(voter.member)(voter.network) for voter in chosen]
        views.append(View(Square(pixels), networks, [voter.share for voter in chosen]))
    return Assembled(Classifier(views, labels).eval(), draw_example())


def draw_example() -> NDArray[np.uint8]:
    """Return two synthetic pictures: a colour gradient, and noise."""
    count, channels, height, width = EXAMPLE_SHAPE
    slope = np.add.outer(np.arange(height), np.arange(width)) % 256
    noise = np.random.default_rng(0).integers(0, 256, (channels, height, width))
    return np.stack([np.broadcast_to(slope, (channels, height, width)), noise][:count]).astype(np.uint8)
