"""The two stages that train, the same for every domain: the range test and the fit.

A domain has a lesson module, such as `tasks/audio/lesson.py`, named by the section of its members. The module's
`prepare(member, compute, fold, **inputs)` returns the lesson, and the network with its initial weights. `inputs` are
the other arguments that the flow passes by name: artifacts, sections and plain values.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.learning.compute import Compute
from tasks.learning.recipe import LessonRecipe
from tasks.report import Report, Silent

if TYPE_CHECKING:
    from torch import nn

    from tasks.learning.group import Group
    from tasks.learning.lesson import Lesson
    from tasks.learning.loop import Trained

    Network = TypeVar("Network", bound=nn.Module)
    Prepare = Callable[[], tuple[Lesson, Network]]
    """Returns the lesson, and the network with its initial weights; it can be pickled."""


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

    lesson, network, trained = train_at(
        partial(member.prepare, compute, fold, **inputs), lr, report=report, checkpoints=checkpoints
    )
    write_fit_files(out, network, lesson, trained, Fit(name, fold, lesson.n_classes, lesson.input_shape, size_name))


def train_at(
    prepare: Prepare[Network], lr: Path | None, *, report: Report, checkpoints: Path
) -> tuple[Lesson, Network, Trained]:
    """Prepare and train a network at the rate in the folder `lr`, or, without it, at the rate that its recipe gives.

    Replicas are shared between processes of this machine, each of which calls `prepare` too.
    """
    from tasks.learning.group import count_processes, form_group
    from tasks.learning.loop import train_network

    lesson, network = prepare()
    if lesson.note:
        report.say(lesson.note)
    peak = float(lesson.recipe.lr) if lr is None else json.loads((lr / "lr.json").read_text())["lr"]
    n_processes, help_train = count_processes(lesson.device), partial(_help_train, prepare, peak, checkpoints)
    with form_group(n_processes, lesson.device, help_train) as group:
        trained = train_network(network, lesson, lr=peak, checkpoints=checkpoints, report=report, group=group)
    return lesson, network, trained


def _help_train(prepare: Prepare[Network], peak: float, checkpoints: Path, group: Group) -> None:
    from tasks.learning.loop import train_network

    lesson, network = prepare()
    train_network(network, lesson, lr=peak, checkpoints=checkpoints, report=Silent(), group=group)
