"""A compact convolutional network for log-mel spectrograms that learns from a few hundred clips."""

import torch
from torch import Tensor, nn

from tasks.audio.member import Member
from tasks.learning.layers import Normalise
from tasks.learning.trunk import N_STAGES, OWN_WIDTH, Trunk
from tasks.learning.weights import start_from

HEAD = ("head.",)
RANGE_DB = 80.0
"""Anything more than this below the clip's peak counts as silence: its level depends on the recorder, not on the
sound."""


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for spectrograms of `input_shape` (bands, frames)."""
    member.require(features="spectrogram")
    network = MelNet(input_shape[0], n_classes, width=member.width or OWN_WIDTH, dropout=member.dropout)
    start_from(network, member.weights, head=HEAD)
    return network


class MelNet(nn.Module):
    """The compact residual network, pooled over bands and time.

    Spectrograms (batch, bands, frames) in dB, any number of frames, to logits (batch, classes). The stem and the
    first stages keep the size where there are few bands, so that the last stage still sees two.
    """

    def __init__(self, n_bands: int, n_classes: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.range_db = RANGE_DB
        self.normalise = Normalise(n_bands)
        halvings = max(1, min(N_STAGES + 1, n_bands.bit_length() - 2))
        self.trunk = Trunk(1, width=width, strides=[1] * (N_STAGES + 1 - halvings) + [2] * halvings)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * self.trunk.n_outputs, n_classes))

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        audible = torch.maximum(spectrograms, spectrograms.amax((1, 2), keepdim=True) - self.range_db)
        frames = self.trunk(self.normalise(audible).unsqueeze(1)).mean(2)
        return self.head(torch.cat([frames.mean(2), frames.amax(2)], 1))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the head, the last stage, the last stage but one, and the rest."""
        return [[self.head], *self.trunk.layer_groups()]
