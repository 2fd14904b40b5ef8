"""Augmentation of pictures, a batch at a time on the device; each picture gets random numbers of its own."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from tasks.images.erasing import add_noise, erase
from tasks.images.geometry import draw_crops, draw_mirrors, draw_uniform, flip, mirror, rotate, warp
from tasks.images.member import Member
from tasks.images.rand_augment import (
    LARGEST_MAGNITUDE,
    DrawnOperations,
    change_values,
    draw_operations,
    join_tones,
    make_maps,
)
from tasks.images.tones import change_tones, draw_tones
from tasks.learning.transforms import AugmentInputs


@dataclass(frozen=True)
class Plan:
    """A member's augmentation at one size, scaled by the size's strength."""

    flips: tuple[float, float]
    smallest_crop: float
    rotation_deg: float
    jitter: float
    hue: float
    operations: int
    magnitude: float
    erase_share: float
    noise_std: float

    @property
    def moves(self) -> bool:
        """Whether pictures are resampled."""
        return self.smallest_crop < 1 or self.rotation_deg > 0 or self.operations > 0

    @property
    def tones(self) -> bool:
        """Whether colours change."""
        return self.jitter > 0 or self.hue > 0 or self.operations > 0


def make_augment(member: Member, strength: float = 1.0) -> AugmentInputs:
    """Return the member's augmentation for batches (batch, 3, height, width), RGB in 0..1.

    `strength` scales everything but the flips, which lose nothing of a picture: with 0, only flips remain. The given
    batch is not changed. The result is in 0..1 and keeps the batch's memory format (channels last or not).
    """
    magnitude = member.rand_augment_magnitude / LARGEST_MAGNITUDE * strength
    plan = Plan(
        flips=(member.flip_share, member.vertical_flip_share),
        smallest_crop=1 - (1 - member.crop_scale) * strength,
        rotation_deg=member.rotation_deg * strength,
        jitter=member.jitter * strength,
        hue=member.hue * strength,
        operations=member.rand_augment_ops if magnitude else 0,
        magnitude=magnitude,
        erase_share=member.erase_share * strength,
        noise_std=member.noise_std * strength,
    )
    return partial(_augment, plan)


def _augment(plan: Plan, batch: Tensor, generator: torch.Generator) -> Tensor:
    count = len(batch)
    planes = batch.contiguous()  # the steps below are several times faster on contiguous channels
    mirrors = draw_mirrors(count, *plan.flips, generator)
    drawn = draw_operations(count, plan.operations, strength=plan.magnitude, generator=generator)
    planes = _move(plan, planes, mirrors, drawn, generator) if plan.moves else flip(planes, mirrors)
    if plan.tones:
        tones = draw_tones(count, jitter=plan.jitter, hue=plan.hue, generator=generator)
        planes = change_tones(planes, join_tones(drawn, tones) if plan.operations else tones)
    if plan.operations:
        planes = change_values(planes, drawn)
    if plan.erase_share:
        planes = erase(planes, plan.erase_share, generator)
    if plan.noise_std:
        planes = add_noise(planes, plan.noise_std, generator)
    last = batch.is_contiguous(memory_format=torch.channels_last)
    return planes.contiguous(memory_format=torch.channels_last) if last else planes


def _move(plan: Plan, planes: Tensor, mirrors: Tensor, drawn: DrawnOperations, generator: torch.Generator) -> Tensor:
    """Crop, mirror, rotate, shear and shift the pictures in one resampling."""
    count, aspect = len(planes), planes.shape[3] / planes.shape[2]
    maps = mirror(mirrors)
    if plan.smallest_crop < 1:
        maps = draw_crops(count, plan.smallest_crop, generator) @ maps
    if plan.rotation_deg:
        maps = maps @ rotate(draw_uniform(count, plan.rotation_deg, generator), aspect)
    if plan.operations:
        maps = maps @ make_maps(drawn, aspect)
    return warp(planes, maps)
