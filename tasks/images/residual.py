"""torchvision's residual networks for pictures in any colour space, optionally with less memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tasks.images.colour import ColourSpace
from tasks.images.member import Member
from tasks.learning.resnet import ResNet, build_resnet


def make_picture_net(name: str, member: Member, n_classes: int) -> "PictureNet":
    """Make the ResNet `name` for pictures of any size; its widths are torchvision's."""
    member.require(width=0)
    network = build_resnet(name, n_classes, weights=member.weights, dropout=member.dropout)
    return PictureNet(ColourSpace(member.colour), network, recompute=member.gradient_checkpointing)


class PictureNet(nn.Module):
    """Pictures (batch, 3, height, width), RGB in 0..1, to logits (batch, classes).

    With `recompute` a training step keeps only the input of each residual block and computes the rest again for the
    gradients. Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
    """

    def __init__(self, colour: ColourSpace, network: ResNet, *, recompute: bool) -> None:
        super().__init__()
        self.colour = colour
        self.network = network
        self.recompute = recompute

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits."""
        channels = self.colour(pictures)
        if self.recompute and self.training:
            return self._recompute(channels)
        return self.network(channels)

    @torch.jit.unused
    def _recompute(self, channels: Tensor) -> Tensor:
        body = self.network.body
        maps = body.maxpool(body.relu(body.bn1(body.conv1(channels))))
        for block in (*body.layer1, *body.layer2, *body.layer3, *body.layer4):
            around = partial(_measure_once, block)
            maps = checkpoint(block, maps, use_reentrant=False, preserve_rng_state=False, context_fn=around)
        return body.fc(body.avgpool(maps).flatten(1))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the residual network's groups."""
        return self.network.layer_groups()


def _measure_once(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of a block's first computation and of its recomputation."""
    return nullcontext(), _without_running_statistics(block)


@contextmanager
def _without_running_statistics(block: nn.Module) -> Iterator[None]:
    """Freeze the running statistics of batch normalisation, so that a batch that is computed twice counts once."""
    layers = [layer for layer in block.modules() if isinstance(layer, nn.BatchNorm2d)]
    kept = [(layer, layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, momentum, batches in kept:
            layer.momentum, layer.num_batches_tracked = momentum, batches
