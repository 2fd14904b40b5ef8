"""Augmentation of a batch of sounds in training."""

import torch
from torch import Tensor

from tasks.audio.augment import make_augment, make_masks
from tasks.audio.member import Member
from tasks.audio.mixing import mix_spectrograms
from tasks.learning.mixing import mix_up
from tasks.learning.transforms import AugmentBatch


def make_batch_augment(member: Member, bands: Tensor) -> AugmentBatch:
    """Return the member's augmentation of a batch: change each clip, mix it with another, mask some of the mixture."""
    augment, mask = make_augment(member), make_masks(member, bands)
    mix = mix_spectrograms if member.features == "spectrogram" else mix_up

    def augment_batch(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        mixed, targets = mix(augment(inputs, generator), targets, generator, alpha=member.mixup_alpha)
        return mask(mixed, generator), targets

    return augment_batch
