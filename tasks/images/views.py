"""How pictures on disk become what a network is shown, and how a trained one looks at them."""

import torch
from torch import Tensor, nn

from tasks.images.augment import make_augment
from tasks.images.member import Member
from tasks.learning.cutmix import cut_mix
from tasks.learning.mixing import mix_up
from tasks.learning.transforms import AugmentBatch, WrapNetwork, keep_network


def to_pictures(batch: Tensor) -> Tensor:
    """Return pictures (batch, height, width, 3) uint8 as (batch, 3, height, width) float32 in 0..1, channels last."""
    return batch.permute(0, 3, 1, 2).float().div_(255)


def alter_with(member: Member, strength: float) -> AugmentBatch:
    """Return what the member does to a batch: change each picture, then mix it with another or paste one in.

    Where both mixup and CutMix are asked for, one is drawn for each batch.
    """
    augment = make_augment(member, strength)

    def alter(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        changed = augment(inputs, generator)
        cuts = member.cutmix_alpha > 0
        if cuts and member.mixup_alpha:
            cuts = bool(torch.rand((), generator=generator) < 0.5)
        if cuts:
            return cut_mix(changed, targets, generator, alpha=member.cutmix_alpha)
        return mix_up(changed, targets, generator, alpha=member.mixup_alpha)

    return alter


def judge_with(member: Member) -> WrapNetwork:
    """Return how the member's trained network looks at a picture: once, or also at its mirror image."""
    return LookTwice if member.test_flip else keep_network


class LookTwice(nn.Module):
    """A network that looks at each picture and at its mirror image.

    Pictures (batch, 3, height, width) to the logarithm (batch, classes) of the mean of both probabilities, which a
    softmax turns back into that mean.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        """Return log-probabilities."""
        plain = self.network(pictures).float().softmax(1)
        mirrored = self.network(pictures.flip(-1)).float().softmax(1)
        return torch.log((plain + mirrored).clamp(min=1e-12) / 2)
