"""A residual network for some thousand photographs, trained from scratch in a few epochs on a few processor cores."""

import torch
from torch import Tensor, nn

from tasks.images.colour import ColourSpace
from tasks.images.member import Member
from tasks.learning.weights import start_from

OWN_WIDTH = 64
BLOCKS = (2, 3, 4, 2)
HEAD = ("head.",)
STRIDE = 32  # of the whole network; where a map of one pixel is halved, torch's gradients in bf16 are not finite


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for pictures of `input_shape` (pixels, pixels, 3) or any other size."""
    member.require(gradient_checkpointing=False)
    member.require_pixels(input_shape, STRIDE)
    network = XResNet(n_classes, width=member.width or OWN_WIDTH, colour=member.colour, dropout=member.dropout)
    start_from(network, member.weights, head=HEAD)
    return network


class XResNet(nn.Module):
    """Pictures (batch, 3, height, width) to logits (batch, classes).

    A residual network with the improvements of He et al. 2019, "Bag of Tricks for Image Classification": shortcuts use
    average pooling to halve the size, and each block starts as the identity. The stem reduces the size to a quarter at
    once, and the last stage, whose kernels would be the largest, has bottlenecks: both halve the time and cost little
    accuracy.
    """

    def __init__(self, n_classes: int, *, width: int, colour: str, dropout: float) -> None:
        super().__init__()
        self.colour = ColourSpace(colour)
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 6, stride=4, padding=2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        inputs, stages = width, []
        for stage, n_blocks in enumerate(BLOCKS):
            outputs, blocks = width << stage, []
            for block in range(n_blocks):
                inner = outputs // 4 if stage == len(BLOCKS) - 1 else 0
                blocks.append(Block(inputs, outputs, stride=2 if stage and not block else 1, inner=inner))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, n_classes))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.stages(self.stem(self.colour(pictures))).mean((2, 3)))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the head, the last stage, the last stage but one, and the rest."""
        stages = list(self.stages)
        return [[self.head], [stages[3]], [stages[2]], [self.stem, *stages[:2]]]


class Block(nn.Module):
    """Convolutions with a shortcut; `stride` divides the size of the maps.

    The convolutions are two of 3x3, or with `inner` a bottleneck: 1x1, 3x3 on `inner` channels, 1x1.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int, inner: int) -> None:
        super().__init__()
        if inner:
            body = [*_norm(inputs, inner, 1), nn.ReLU(), *_norm(inner, inner, 3, stride), nn.ReLU()]
            body += _norm(inner, outputs, 1)
        else:
            body = [*_norm(inputs, outputs, 3, stride), nn.ReLU(), *_norm(outputs, outputs, 3)]
        nn.init.zeros_(body[-1].weight)  # type: ignore[arg-type]  # the block starts as its shortcut
        self.body = nn.Sequential(*body)
        shortcut: list[nn.Module] = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
        if inputs != outputs:
            shortcut += _norm(inputs, outputs, 1)
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (batch, outputs, height / stride, width / stride), rounded up."""
        return torch.relu(self.body(maps) + self.shortcut(maps))


def _norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution and its batch normalisation."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]
