"""Networks of torchvision and timm for pictures in any colour space, optionally with less memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from tasks.images.colour import ColourSpace
from tasks.images.member import Member
from tasks.learning.blocks import list_blocks
from tasks.learning.library import LibraryNetwork


def make_picture_net(member: Member, network: LibraryNetwork) -> "PictureNet":
    """Make a library's network read pictures as the member's settings say; its widths are the library's."""
    member.require(width=0)
    colour = ColourSpace(member.colour, rgb=network.statistics)
    return PictureNet(colour, network, recompute=member.gradient_checkpointing)


class PictureNet(nn.Module):
    """Pictures (batch, 3, height, width), RGB in 0..1, to logits (batch, classes).

    With `recompute` a training step keeps only the input of each block and computes the rest again for the gradients.
    Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
    """

    def __init__(self, colour: ColourSpace, network: LibraryNetwork, *, recompute: bool) -> None:
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
        with ExitStack() as stack:
            for block in list_blocks(self.network.body, self.network.list_heads()):
                stack.enter_context(_checkpointed(block))
            return self.network(channels)

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the library network's groups."""
        return self.network.layer_groups()


@contextmanager
def _checkpointed(block: nn.Module) -> Iterator[None]:
    """Have calls of a block keep its inputs only."""
    around = partial(_measure_once, block)
    block.forward = partial(checkpoint, block.forward, use_reentrant=False, context_fn=around)
    try:
        yield
    finally:
        del block.forward


def _measure_once(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of a block's first computation and of its recomputation."""
    return nullcontext(), _without_running_statistics(block)


@contextmanager
def _without_running_statistics(block: nn.Module) -> Iterator[None]:
    """Freeze the running statistics of batch normalisation, so that a batch that is computed twice counts once."""
    layers = [layer for layer in block.modules() if isinstance(layer, _BatchNorm)]
    kept = [(layer, layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, momentum, batches in kept:
            layer.momentum, layer.num_batches_tracked = momentum, batches
