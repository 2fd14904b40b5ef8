"""What a network in training is shown of sounds."""

import torch
from torch import Tensor

from tasks.audio.augment import make_augment, make_masks
from tasks.audio.member import Member
from tasks.audio.mixing import mix_spectrograms
from tasks.learning.mixing import mix_up
from tasks.learning.transforms import AugmentBatch


def alter_with(member: Member, bands: Tensor) -> AugmentBatch:
    """Return what the member does to a batch: change each clip, mix it with another, cover parts of the mixture."""
    augment, cover = make_augment(member), make_masks(member, bands)
    mix = mix_spectrograms if member.features == "spectrogram" else mix_up

    def alter(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        mixed, targets = mix(augment(inputs, generator), targets, generator, alpha=member.mixup_alpha)
        return cover(mixed, generator), targets

    return alter
