"""A compact convolution network for log-mel spectrograms, made to learn from a few hundred clips."""

import torch
from torch import Tensor, nn

from tasks.audio.member import Member
from tasks.learning.layers import Normalise
from tasks.learning.weights import start_from

OWN_WIDTH = 32
HEAD = ("head.",)
RANGE_DB = 80.0
"""What is softer than the clip's loudest place by more than this is silence: how silent tells of the recorder,
not of the sound."""


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for spectrograms of `input_shape` (bands, frames)."""
    member.check_features("melnet", "spectrogram")
    network = MelNet(input_shape[0], n_classes, width=member.width or OWN_WIDTH, dropout=member.dropout)
    start_from(network, member.weights, head=HEAD)
    return network


class MelNet(nn.Module):
    """A stem and four residual stages, each twice as wide and half as large, pooled over bands and time.

    Spectrograms (batch, bands, frames) in dB, any number of frames, to logits (batch, classes). The stem is
    narrow, as half of the time goes where the maps are large; it and the first stages keep the size where there
    are few bands, so that the last stage still sees two.
    """

    def __init__(self, n_bands: int, n_classes: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.range_db = RANGE_DB
        self.normalise = Normalise(n_bands)
        widths = [max(1, width // 2), width, 2 * width, 4 * width, 8 * width]
        halvings = max(1, min(len(widths), n_bands.bit_length() - 2))
        strides = [1] * (len(widths) - halvings) + [2] * halvings
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 3, stride=strides[0], padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.stages = nn.Sequential(*(Residual(widths[n], widths[n + 1], stride=strides[n + 1]) for n in range(4)))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * widths[-1], n_classes))

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        audible = torch.maximum(spectrograms, spectrograms.amax((1, 2), keepdim=True) - self.range_db)
        maps = self.stages(self.stem(self.normalise(audible).unsqueeze(1)))
        frames = maps.mean(2)
        return self.head(torch.cat([frames.mean(2), frames.amax(2)], 1))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return head, last stage, the one before, and the rest."""
        return [[self.head], [self.stages[3]], [self.stages[2]], [self.stem, self.stages[0], self.stages[1]]]


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
        """Return maps (batch, outputs, bands / stride, frames / stride), rounded up."""
        return torch.relu(self.body(maps) + self.shortcut(maps))
