"""How pictures on disk become a network's input, and how a trained network predicts them."""

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


def make_batch_augment(member: Member, strength: float) -> AugmentBatch:
    """Return the member's augmentation of a batch: change each picture, then apply mixup or CutMix.

    Where the member uses both mixup and CutMix, one of them is drawn for each batch.
    """
    augment = make_augment(member, strength)

    def augment_batch(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        changed = augment(inputs, generator)
        is_cutmix = member.cutmix_alpha > 0
        if is_cutmix and member.mixup_alpha:
            is_cutmix = bool(torch.rand((), generator=generator) < 0.5)
        if is_cutmix:
            return cut_mix(changed, targets, generator, alpha=member.cutmix_alpha)
        return mix_up(changed, targets, generator, alpha=member.mixup_alpha)

    return augment_batch


def choose_wrapper(member: Member) -> WrapNetwork:
    """Return the wrapper of the member's trained network: `FlipAverage` with `test_flip`, else none."""
    return FlipAverage if member.test_flip else keep_network


class FlipAverage(nn.Module):
    """Test-time augmentation: the mean of a network's probabilities for each picture and its mirror image.

    It takes pictures (batch, 3, height, width) and returns the logarithm (batch, classes) of the mean; a softmax turns
    it back into that mean.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        """Return log-probabilities."""
        plain = self.network(pictures).float().softmax(1)
        mirrored = self.network(pictures.flip(-1)).float().softmax(1)
        return torch.log((plain + mirrored).clamp(min=1e-12) / 2)
