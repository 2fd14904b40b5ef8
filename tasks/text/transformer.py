"""A transformer from a local folder, fine-tuned in one round: it reads its own tokens, so outside what is exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import field_validator

from tasks.learning.compute import Compute
from tasks.learning.recipe import ClassifierRecipe, Schedule
from tasks.report import Report
from tasks.text.model_folder import find_fault

if TYPE_CHECKING:
    from torch import nn

    from tasks.learning.lesson import Lesson

__all__ = ["Compute", "Transformer", "cut_subwords", "find_transformer_lr", "fit_transformer"]


class Transformer(ClassifierRecipe, Schedule):
    """Which transformer learns, and how: `weights` is the path of a local Hugging Face folder."""

    @field_validator("weights")
    @classmethod
    def _check_folder(cls, folder: str) -> str:
        if fault := find_fault(folder):
            raise ValueError(fault)
        return folder


def cut_subwords(tweets: Path, transformer: Transformer, *, out: Path, report: Report) -> None:
    """Write the clean texts in `tweets` as the numbers of the folder's own tokens, as `write_subwords` says."""
    from tasks.text.subwords import write_subwords

    write_subwords(tweets / "examples.csv", transformer.weights, out=out, report=report)


def find_transformer_lr(
    subwords: Path,
    folds: Path,
    transformer: Transformer,
    compute: Compute,
    *,
    fold: int,
    out: Path,
    report: Report,
) -> None:
    """Write `lr.json` (lr), and the range test's `curve.csv` and `curve.png`."""
    from tasks.learning.train import write_lr

    lesson = _read_lesson(subwords, folds, transformer, compute, fold)
    write_lr(_make_network(lesson, transformer, fold), lesson, out=out, report=report)


def fit_transformer(
    subwords: Path,
    folds: Path,
    lr: Path,
    transformer: Transformer,
    compute: Compute,
    *,
    name: str,
    fold: int,
    out: Path,
    report: Report,
    checkpoints: Path,
) -> None:
    """Fine-tune the transformer `name` in the round that holds out `fold`, and predict what it never saw.

    `subwords` are the texts as numbers of its own tokens. Writes what `write_outcome` says.
    """
    from tasks.learning.train import write_fit_of

    lesson = _read_lesson(subwords, folds, transformer, compute, fold)
    network = _make_network(lesson, transformer, fold)
    write_fit_of(network, lesson, lr, name=name, fold=fold, out=out, report=report, checkpoints=checkpoints)


def _read_lesson(subwords: Path, folds: Path, transformer: Transformer, compute: Compute, fold: int) -> Lesson:
    from tasks.learning.device import open_device
    from tasks.learning.lesson import Lesson
    from tasks.learning.randomness import derive_seed
    from tasks.learning.views import Views
    from tasks.text.texts import read_texts
    from tasks.text.views import keep_numbers

    return Lesson(
        parts=read_texts(subwords, folds, fold),
        recipe=transformer,
        schedule=transformer,
        views=Views(prepare=keep_numbers),
        device=open_device(compute),
        seed=derive_seed(transformer.seed, fold),
    )


def _make_network(lesson: Lesson, transformer: Transformer, fold: int) -> nn.Module:
    from tasks.learning.randomness import isolate_randomness
    from tasks.text.subword_network import SubwordNetwork

    with isolate_randomness(lesson.device.torch_device, transformer.seed, fold, "weights"):
        return SubwordNetwork(transformer.weights, lesson.n_classes, dropout=transformer.dropout)
