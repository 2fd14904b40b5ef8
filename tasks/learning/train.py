"""What the stages that train have in common, whatever is learnt: the range test, the fit, and their files."""

import json
from pathlib import Path

from torch import nn

from tasks.learning.lesson import Lesson
from tasks.learning.loop import Trained, train_network
from tasks.learning.lr_finder import find_lr, suggest_lr
from tasks.learning.outcome import write_outcome
from tasks.learning.plots import draw_lr_curve
from tasks.report import Report


def write_lr(network: nn.Module, lesson: Lesson, *, out: Path, report: Report) -> None:
    """Write `lr.json` (lr), and the range test's `curve.csv` and `curve.png`."""
    curve = find_lr(network, lesson, report=report)
    lr = suggest_lr(curve, lesson.n_classes)
    (out / "lr.json").write_text(json.dumps({"lr": float(f"{lr:.4g}")}) + "\n")
    draw_lr_curve(out, curve, lr)
    report.say(f"learning rate {lr:.2g}, by {len(curve.lr)} steps of a range test")


def write_fit_of(
    network: nn.Module, lesson: Lesson, lr: Path, *, name: str, fold: int, out: Path, report: Report, checkpoints: Path
) -> None:
    """Train a network at the rate that `lr` holds, and write what `write_outcome` says."""
    trained = train_at(network, lesson, lr, report=report, checkpoints=checkpoints)
    write_outcome(out, network, lesson, trained, name=name, fold=fold)


def train_at(network: nn.Module, lesson: Lesson, lr: Path, *, report: Report, checkpoints: Path) -> Trained:
    """Train a network at the rate that `lr` holds, times the schedule's factor."""
    peak = json.loads((lr / "lr.json").read_text())["lr"] * lesson.schedule.lr_scale
    return train_network(network, lesson, lr=peak, checkpoints=checkpoints, report=report)
