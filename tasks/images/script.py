"""The ensemble as one module from pictures to probabilities, as it is exported."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.images.member import Member
from tasks.images.views import judge_with
from tasks.learning.script import Classifier, View, gather_voters, write_script

EXAMPLE_SHAPE = (2, 3, 96, 128)


class Square(nn.Module):
    """Pictures of any size to squares: the middle cut out and resampled to `pixels`, as for training.

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


def write_model(
    ensemble: Path, fitted: list[Path], labels: list[str], members: Mapping[str, Member], out: Path
) -> NDArray[np.float32]:
    """Write the exported files (see `export_torchscript`); return the Python model's answer to the example."""
    model = assemble(ensemble, fitted, labels, members)
    told = {"labels": labels, "members": sorted(members), "networks": len(fitted)}
    return write_script(model, draw_example(), told, out)


def assemble(ensemble: Path, fitted: list[Path], labels: list[str], members: Mapping[str, Member]) -> Classifier:
    """Return pictures (batch, 3, height, width) uint8, RGB, of any size, to probabilities, in evaluation mode.

    It is the mean over the rounds of their ensembles; each size is made once.
    """
    # A fit is named MEMBER-SIZE.
    voters = gather_voters(ensemble, fitted, lambda fit: members[fit.member.rpartition("-")[0]])
    views = []
    for pixels in sorted({voter.fit.input_shape[0] for voter in voters}):
        chosen = [voter for voter in voters if voter.fit.input_shape[0] == pixels]
        networks = [judge_with(voter.member)(voter.network) for voter in chosen]
        views.append(View(Square(pixels), networks, [voter.share for voter in chosen]))
    return Classifier(views, labels).eval()


def draw_example() -> NDArray[np.uint8]:
    """Return two made-up pictures: a slope of colours, and noise."""
    count, channels, height, width = EXAMPLE_SHAPE
    slope = np.add.outer(np.arange(height), np.arange(width)) % 256
    noise = np.random.default_rng(0).integers(0, 256, (channels, height, width))
    return np.stack([np.broadcast_to(slope, (channels, height, width)), noise][:count]).astype(np.uint8)
