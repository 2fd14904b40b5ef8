"""Finding a member's learning rate and fitting it, in one round."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.audio.member import Member
from tasks.learning.compute import Compute
from tasks.report import Report

if TYPE_CHECKING:
    from torch import nn

    from tasks.learning.lesson import Lesson

__all__ = ["Compute", "Member", "find_member_lr", "fit_member"]


def find_member_lr(
    features: Path,
    folds: Path,
    bands: Path,
    member: Member,
    compute: Compute,
    *,
    fold: int,
    out: Path,
    report: Report,
) -> None:
    """Write `lr.json` (lr), and the range test's `curve.csv` and `curve.png`.

    `features` and `bands` are the member's kind (spectrograms or waveforms); `fold` names the round.
    """
    from tasks.learning.train import write_lr

    lesson = _read_lesson(features, folds, bands, member, compute, fold)
    write_lr(_make_network(lesson, member, bands, fold), lesson, out=out, report=report)


def fit_member(
    features: Path,
    folds: Path,
    bands: Path,
    lr: Path,
    member: Member,
    compute: Compute,
    *,
    name: str,
    fold: int,
    out: Path,
    report: Report,
    checkpoints: Path,
) -> None:
    """Train the member `name` in the round that holds out `fold`, and predict what it never saw.

    Writes `state_dict.pt`, `history.csv` and `.png`, `test.csv` and, in holdout mode, `valid.csv`
    (probabilities), and `fit.json` (name, fold, n_classes, input_shape).
    """
    from tasks.learning.train import write_fit_of

    lesson = _read_lesson(features, folds, bands, member, compute, fold)
    network = _make_network(lesson, member, bands, fold)
    write_fit_of(network, lesson, lr, name=name, fold=fold, out=out, report=report, checkpoints=checkpoints)


def _read_lesson(features: Path, folds: Path, bands: Path, member: Member, compute: Compute, fold: int) -> Lesson:
    import numpy as np
    import torch

    from tasks.audio.views import alter_with
    from tasks.folds import read_round
    from tasks.learning.device import open_device
    from tasks.learning.examples import read_examples
    from tasks.learning.lesson import Lesson
    from tasks.learning.randomness import derive_seed
    from tasks.learning.views import Views

    parts = read_examples(features, folds, read_round(folds, fold))
    measured = torch.from_numpy(np.load(bands / "bands.npy"))
    return Lesson(
        parts=parts,
        recipe=member,
        schedule=member,
        views=Views(alter=alter_with(member, measured)),
        device=open_device(compute),
        seed=derive_seed(member.seed, fold),
    )


def _make_network(lesson: Lesson, member: Member, bands: Path, fold: int) -> nn.Module:
    """Return the network with its initial weights, the measured bands in its first layer."""
    import numpy as np
    import torch

    from tasks.learning.layers import Normalise
    from tasks.learning.networks import build_network
    from tasks.learning.randomness import isolate_randomness

    with isolate_randomness(lesson.device.torch_device, member.seed, fold, "weights"):
        network = build_network(member, lesson.n_classes, lesson.input_shape)
    measured = torch.from_numpy(np.load(bands / "bands.npy"))
    for layer in network.modules():
        if isinstance(layer, Normalise):
            layer.measure(measured)
    return network
