"""The lesson of a sound network in one round."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from tasks.audio.member import Member
from tasks.audio.transforms import make_batch_augment
from tasks.folds import read_round
from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.examples import read_examples
from tasks.learning.layers import Normalise
from tasks.learning.lesson import Lesson
from tasks.learning.networks import start_network
from tasks.learning.randomness import derive_seed
from tasks.learning.transforms import Transforms


def prepare(
    member: Member, compute: Compute, fold: int, *, features: list[Path], folds: Path, bands: Path
) -> tuple[Lesson, nn.Module]:
    """Return the lesson and the network, whose first layer holds the measured `bands`.

    `features` are the folders of the member's kind of features, one for each shard; `bands` that of their statistics.
    """
    measured = torch.from_numpy(np.load(bands / "bands.npy"))
    lesson = Lesson(
        parts=read_examples(features, folds, read_round(folds, fold)),
        recipe=member,
        schedule=member,
        transforms=Transforms(augment=make_batch_augment(member, measured)),
        device=open_device(compute),
        seed=derive_seed(member.seed, fold),
    )
    network = start_network(member, lesson, fold)
    for layer in network.modules():
        if isinstance(layer, Normalise):
            layer.measure(measured)
    return lesson, network
