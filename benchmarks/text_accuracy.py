"""Accuracy of each member and of the ensemble on real tweets, over several seeds."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.real_data import SEEDS, clone_for, find_archive
from benchmarks.table import Figure
from benchmarks.text_training import read_preset

TARGET = 0.78
PUBLISHED = "with 1.6 million tweets: Go et al. above 80 %, CharSCNN 86.4 %"
BOOK = "the book's ULMFiT 76 %, on its own split of 1.6 million"
SETTINGS: dict[str, dict[str, object]] = {
    "hand-labelled tweets": {"folds.mode": "own", "clean.test_file": "keep"},
    "tweets of the split's own test part": {"folds.mode": "holdout", "clean.test_file": "leave_out"},
}


@dataclass
class Accuracies:
    """Accuracies over the seeds of the ensemble and of each member, on `examples` tweets."""

    examples: int = 0
    by_name: dict[str, list[float]] = field(default_factory=dict)

    def add(self, metrics: dict[str, Any]) -> None:
        """Add the accuracies of one run."""
        metrics_of = {name: metrics[name] for name in ("ensemble", "all_members")} | metrics["members"]
        self.examples = metrics_of["ensemble"]["examples"]
        for name, figures in metrics_of.items():
            self.by_name.setdefault(name, []).append(figures["accuracy"])


def measure() -> list[Figure]:
    """Run the flow with its preset for each seed and each test set; SENTIMENT140 is the archive's path."""
    measured = {what: Accuracies() for what in SETTINGS}
    with clone_for("text", "sentiment140", find_archive("text_accuracy", "SENTIMENT140")) as clone:
        for what, changes in SETTINGS.items():
            for seed in SEEDS:
                clone.run(changes | list_seeds(seed))
                measured[what].add(json.loads((clone.root / "data/text/evaluate/metrics.json").read_text()))
    return [figure for what, accuracies in measured.items() for figure in make_figures(what, accuracies)]


def list_seeds(seed: int) -> dict[str, object]:
    """Return the params that give the split and every network this seed."""
    names = [f"members.{name}" for name in read_preset().members]
    return {f"{name}.seed": seed for name in ("folds", "pretrain", *names)}


def make_figures(what: str, measured: Accuracies) -> Iterator[Figure]:
    """Yield a figure for the ensemble, for the ensemble of all members, and for each member."""
    is_target = what == "hand-labelled tweets"
    for name, accuracies in measured.by_name.items():
        mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
        low, high = compute_interval(mean, measured.examples)
        has_target = is_target and name == "ensemble"
        yield Figure(
            f"{name}, {measured.examples:,} {what}",
            (PUBLISHED if is_target else BOOK) if name == "ensemble" else "",
            f"{mean:.1%} ± {spread:.1%} over {len(accuracies)} seeds, 95 % interval {low:.1%} to {high:.1%}",
            "",
            f"{TARGET:.0%}" if has_target else "",
            mean >= TARGET or not has_target,
        )


def compute_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share that was measured on `count` examples."""
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return middle - half, middle + half
