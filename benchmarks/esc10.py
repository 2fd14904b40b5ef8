"""Accuracy on the real ESC-10 by five-fold cross-validation: of each network, and of all of them."""

from __future__ import annotations

from typing import Any

from benchmarks.real_data import clone_for, find_archive
from benchmarks.table import Figure

MEMBER_TARGETS = {"melnet": 0.96}  # nothing pretrained
TARGET = 0.975
BUDGET_MIN = 60
PUBLISHED = "EnvNet-v2 91.4 %, people 95.7 %, ACDNet 96.65 %"


def measure() -> list[Figure]:
    """Run the flow with its preset; ESC10 is the archive's path."""
    with clone_for("audio", "esc10", find_archive("esc10", "ESC10")) as clone:
        done = clone.run()
    members = [
        make_figure(f"{name} alone", figures, MEMBER_TARGETS.get(name, 0.0)) for name, figures in done.members.items()
    ]
    minutes = f"{done.minutes:.0f}"
    return [
        make_figure("ensemble, one network of it from lite0's weights", done.figures, TARGET),
        *members,
        Figure("training, minutes for all folds", "", minutes, "", f"{BUDGET_MIN}", done.minutes <= BUDGET_MIN),
    ]


def make_figure(what: str, figures: dict[str, Any], target: float) -> Figure:
    """Return the figure of a network's or the ensemble's accuracy over the folds."""
    mean, spread = figures["accuracy_mean"], figures["accuracy_spread"]
    return Figure(
        f"ESC-10, 5 folds, {what}, mean accuracy",
        PUBLISHED,
        f"{mean:.1%} ± {spread:.1%} over folds",
        "",
        f"{target:.1%}" if target else "",
        mean >= target,
    )
