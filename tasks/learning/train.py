"""The two stages that train, the same for every domain: the range test and the fit.

A domain has a lesson module, such as `tasks/audio/lesson.py`, named by the section of its members. The module's
`prepare(member, compute, fold, **inputs)` returns the lesson, and the network with its initial weights. `inputs` are
the other arguments that the flow passes by name: artifacts, sections and plain values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.learning.compute import Compute
from tasks.learning.recipe import LessonRecipe
from tasks.report import Report

if TYPE_CHECKING:
    from torch import nn

    from tasks.learning.lesson import Lesson
    from tasks.learning.loop import Trained


def find_lr(member: LessonRecipe, compute: Compute, *, fold: int, out: Path, report: Report, **inputs: Any) -> None:
    """Find a learning rate for `member` in the round that holds out `fold`.

    Writes `lr.json` (lr, and the limit above which the loss rises), and the range test's `curve.csv` and `curve.png`.
    """
    from tasks.learning.lr_finder import choose_lr, find_limit, run_range_test
    from tasks.learning.plots import draw_lr_curve

    lesson, network = member.prepare(compute, fold, **inputs)
    curve = run_range_test(network, lesson, report=report)
    limit = find_limit(curve, lesson.n_answers)
    lr = choose_lr(limit)
    (out / "lr.json").write_text(json.dumps({"lr": float(f"{lr:.4g}"), "limit": float(f"{limit:.4g}")}) + "\n")
    draw_lr_curve(out, curve, lr=lr, limit=limit)
    report.say(
        f"learning rate {lr:.2g}; at rates above {limit:.2g} the loss rises ({len(curve.lr)} steps of a range test)"
    )


def fit(
    member: LessonRecipe,
    compute: Compute,
    lr: Path | None = None,
    *,
    name: str,
    fold: int,
    size_name: str = "",
    out: Path,
    report: Report,
    checkpoints: Path,
    **inputs: Any,
) -> None:
    """Train `member` in the round that holds out `fold`, and predict the valid and test examples.

    `lr` is the folder of `find_lr`, or None if the member gives its rate. `fit.json` holds the fit's `name`, and its
    `size_name` if the member is fitted at several sizes. Writes the files of `write_fit_files`.
    """
    from tasks.learning.fit_files import write_fit_files
    from tasks.learning.fitted import Fit

    lesson, network = member.prepare(compute, fold, **inputs)
    trained = train_at(network, lesson, lr, report=report, checkpoints=checkpoints)
    write_fit_files(out, network, lesson, trained, Fit(name, fold, lesson.n_classes, lesson.input_shape, size_name))


def train_at(network: nn.Module, lesson: Lesson, lr: Path | None, *, report: Report, checkpoints: Path) -> Trained:
    """Train a network at the rate in the folder `lr`, or, without it, at the rate that its recipe gives."""
    from tasks.learning.loop import train_network

    if lesson.note:
        report.say(lesson.note)
    peak = float(lesson.recipe.lr) if lr is None else json.loads((lr / "lr.json").read_text())["lr"]
    return train_network(network, lesson, lr=peak, checkpoints=checkpoints, report=report)
