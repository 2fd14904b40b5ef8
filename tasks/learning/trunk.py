"""A compact residual convolutional network without its head, designed to learn from a few hundred examples."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

OWN_WIDTH = 32
N_STAGES = 4


class Trunk(nn.Module):
    """A stem and four residual stages, each twice as wide as the one before.

    Maps (batch, channels, height, width) of any size to (batch, `n_outputs`, smaller height, smaller width);
    `strides` are those of the stem and of each stage. The stem is narrow, because half of the time is spent
    where the maps are large.
    """

    def __init__(self, channels: int, *, width: int, strides: Sequence[int]) -> None:
        super().__init__()
        widths = [max(1, width // 2), *(width << n for n in range(N_STAGES))]
        self.n_outputs = widths[-1]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, stride=strides[0], padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(
            *(Residual(widths[n], widths[n + 1], stride=strides[n + 1]) for n in range(N_STAGES))
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the last stage's maps."""
        return self.stages(self.stem(maps))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return last stage, the one before, and the rest."""
        return [[self.stages[3]], [self.stages[2]], [self.stem, self.stages[0], self.stages[1]]]


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the maps become `stride` times as small."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (batch, outputs, height / stride, width / stride), rounded up."""
        return torch.relu(self.body(maps) + self.shortcut(maps))
