"""Finding a member's learning rate and fitting it at one size, in one round."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.images.member import Member
from tasks.images.sections import Size
from tasks.learning.compute import Compute
from tasks.report import Report

if TYPE_CHECKING:
    from torch import nn

    from tasks.learning.lesson import Cycle, Lesson

__all__ = ["Compute", "Member", "Size", "find_member_lr", "fit_member"]


def find_member_lr(
    features: Path,
    folds: Path,
    member: Member,
    size: Size,
    compute: Compute,
    before: Path | None = None,
    *,
    fold: int,
    out: Path,
    report: Report,
) -> None:
    """Write `lr.json` (lr), and the range test's `curve.csv` and `curve.png`.

    `features` are the pictures at this size, `before` the fit at the size before it, whose weights are tested;
    `fold` names the round.
    """
    from tasks.learning.train import write_lr

    lesson = _read_lesson(features, folds, member, size, compute, fold)
    write_lr(_make_network(lesson, member, before, fold), lesson, out=out, report=report)


def fit_member(
    features: Path,
    folds: Path,
    lr: Path,
    member: Member,
    size: Size,
    compute: Compute,
    before: Path | None = None,
    *,
    name: str,
    fold: int,
    done: int,
    epochs: int,
    out: Path,
    report: Report,
    checkpoints: Path,
) -> None:
    """Train a member at one size in the round that holds out `fold`, and predict what it never saw.

    It goes on from the weights of the fit `before`, if there is one, in a learning-rate cycle of so many `epochs`, of
    which so many are `done`. Writes what `write_outcome` says, under the name `name`.
    """
    from tasks.learning.lesson import Cycle
    from tasks.learning.train import write_fit_of

    cycle = Cycle(done, epochs)
    lesson = _read_lesson(features, folds, member, size, compute, fold, first=before is None, cycle=cycle)
    network = _make_network(lesson, member, before, fold)
    write_fit_of(network, lesson, lr, name=name, fold=fold, out=out, report=report, checkpoints=checkpoints)


def _read_lesson(
    features: Path,
    folds: Path,
    member: Member,
    size: Size,
    compute: Compute,
    fold: int,
    *,
    first: bool = True,
    cycle: Cycle | None = None,
) -> Lesson:
    from tasks.folds import read_round
    from tasks.images.views import alter_with, judge_with, to_pictures
    from tasks.learning.device import open_device
    from tasks.learning.examples import read_examples
    from tasks.learning.lesson import Lesson
    from tasks.learning.randomness import derive_seed
    from tasks.learning.views import Views

    return Lesson(
        parts=read_examples(features, folds, read_round(folds, fold)),
        # The head alone learns before the first size only: at the next one it is no longer new.
        recipe=member if first else member.model_copy(update={"head_epochs": 0}),
        schedule=size,
        views=Views(prepare=to_pictures, alter=alter_with(member, size.strength), judge=judge_with(member)),
        device=open_device(compute),
        seed=derive_seed(member.seed, fold, size.pixels),
        cycle=cycle,
    )


def _make_network(lesson: Lesson, member: Member, before: Path | None, fold: int) -> nn.Module:
    """Return the network with its initial weights, or those of the fit `before`."""
    from tasks.learning.networks import build_network
    from tasks.learning.randomness import isolate_randomness
    from tasks.learning.weights import load_weights, read_state_dict

    with isolate_randomness(lesson.device.torch_device, member.seed, fold, "weights"):
        network = build_network(member, lesson.n_classes, lesson.input_shape)
    if before is not None:
        weights = read_state_dict(before / "state_dict.pt")
        load_weights(network, weights, source=f"of the size before ({before.name})", head=())
    return network
