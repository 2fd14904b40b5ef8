"""Finding a member's learning rate and fitting it, in one round."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.learning.compute import Compute
from tasks.report import Report
from tasks.text.augment import Augment
from tasks.text.member import Measuring, Member

if TYPE_CHECKING:
    from torch import nn

    from tasks.learning.lesson import Lesson
    from tasks.text.altered import Alteration

__all__ = ["Augment", "Compute", "Member", "find_member_lr", "fit_member"]


def find_member_lr(
    tokens: Path,
    folds: Path,
    member: Member,
    compute: Compute,
    language: Path | None = None,
    *,
    fold: int,
    out: Path,
    report: Report,
) -> None:
    """Write `lr.json` (lr), and the range test's `curve.csv` and `curve.png`.

    `tokens` are the round's word numbers, `language` its language model for weights `pretrained`; `fold` names the
    round.
    """
    from tasks.learning.train import write_lr

    lesson = _read_lesson(tokens, folds, member, compute, fold)
    write_lr(_make_network(lesson, member, language, fold), lesson, out=out, report=report)


def fit_member(
    tokens: Path,
    folds: Path,
    lr: Path,
    member: Member,
    augment: Augment,
    compute: Compute,
    language: Path | None = None,
    *,
    name: str,
    fold: int,
    out: Path,
    report: Report,
    checkpoints: Path,
) -> None:
    """Train the member `name` in the round that holds out `fold`, and predict what it never saw.

    Training texts are altered as `augment` says. Writes what `write_outcome` says.
    """
    from tasks.learning.train import write_fit_of
    from tasks.text.altered import open_alteration

    alteration = open_alteration(augment, tokens, language)
    lesson = _read_lesson(tokens, folds, member, compute, fold, alteration)
    network = _make_network(lesson, member, language, fold)
    write_fit_of(network, lesson, lr, name=name, fold=fold, out=out, report=report, checkpoints=checkpoints)


def _read_lesson(
    tokens: Path, folds: Path, member: Member, compute: Compute, fold: int, alteration: Alteration | None = None
) -> Lesson:
    from tasks.learning.device import open_device
    from tasks.learning.lesson import Lesson
    from tasks.learning.randomness import derive_seed
    from tasks.learning.views import Views
    from tasks.text.texts import read_texts
    from tasks.text.views import alter_with, keep_numbers

    return Lesson(
        parts=read_texts(tokens, folds, fold),
        recipe=member,
        schedule=member,
        views=Views(prepare=keep_numbers, alter=alter_with(member, alteration)),
        device=open_device(compute),
        seed=derive_seed(member.seed, fold),
    )


def _make_network(lesson: Lesson, member: Member, language: Path | None, fold: int) -> nn.Module:
    """Return the network with its initial weights, those of the language model among them where it asks for them."""
    from tasks.learning.networks import build_network
    from tasks.learning.randomness import isolate_randomness
    from tasks.text.language import load_encoder

    with isolate_randomness(lesson.device.torch_device, member.seed, fold, "weights"):
        network = build_network(member, lesson.n_classes, lesson.input_shape)
    if isinstance(network, Measuring):
        network.measure(lesson.parts.train)
    if member.weights == "pretrained":
        load_encoder(network, member, language)
    return network
