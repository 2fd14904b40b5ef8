"""A compact residual network that learns from a few hundred pictures."""

import torch
from torch import Tensor, nn

from tasks.images.colour import ColourSpace
from tasks.images.member import Member
from tasks.learning.trunk import N_STAGES, OWN_WIDTH, Trunk
from tasks.learning.weights import start_from

HEAD = ("head.",)
STRIDE = 32  # of the whole network; where a map of one pixel is halved, torch's gradients in bf16 are not finite


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for pictures of `input_shape` (pixels, pixels, 3) or any other size."""
    member.require(gradient_checkpointing=False)
    member.require_pixels(input_shape, STRIDE)
    network = CompactNet(n_classes, width=member.width or OWN_WIDTH, colour=member.colour, dropout=member.dropout)
    start_from(network, member.weights, head=HEAD)
    return network


class CompactNet(nn.Module):
    """Pictures (batch, 3, height, width) to logits (batch, classes), with average and maximum pooling."""

    def __init__(self, n_classes: int, *, width: int, colour: str, dropout: float) -> None:
        super().__init__()
        self.colour = ColourSpace(colour)
        self.trunk = Trunk(3, width=width, strides=[2] * (N_STAGES + 1))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * self.trunk.n_outputs, n_classes))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits."""
        maps = self.trunk(self.colour(pictures))
        return self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the head, the last stage, the last stage but one, and the rest."""
        return [[self.head], *self.trunk.layer_groups()]
