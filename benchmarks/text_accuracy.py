"""Accuracy on real tweets, of each member and of the ensemble, over several seeds."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.table import Figure
from benchmarks.text_training import PRESET, find_archive
from flows.engine.params import read_yaml
from flows.engine.project import ROOT
from tasks.archives import hash_file

SEEDS = (1, 2, 3)
TARGET = 0.78
PUBLISHED = "with 1.6 million tweets: Go et al. above 80 %, CharSCNN 86.4 %"
BOOK = "the book's ULMFiT 76 %, on its own split of 1.6 million"
SETTINGS = {
    "hand-labelled tweets": ["folds.mode=own", "clean.test_file=keep"],
    "the split's own test part": ["folds.mode=holdout", "clean.test_file=leave_out"],
}


@dataclass
class Seen:
    """Accuracies over the seeds of what was judged, by its name, on so many tweets."""

    examples: int = 0
    accuracies: dict[str, list[float]] = field(default_factory=dict)

    def add(self, metrics: dict[str, dict[str, object]]) -> None:
        """Take over what one run wrote."""
        told = {name: metrics[name] for name in ("ensemble", "everyone")} | metrics["members"]
        self.examples = told["ensemble"]["examples"]
        for name, figures in told.items():
            self.accuracies.setdefault(name, []).append(figures["accuracy"])


def measure() -> list[Figure]:
    """Run the flow with its preset in a fresh clone, for each seed and each way to judge; SENTIMENT140 is the zip."""
    archive = find_archive("text_accuracy")
    seen = {what: Seen() for what in SETTINGS}
    with open_clone() as clone:
        for what, overrides in SETTINGS.items():
            for seed in SEEDS:
                seen[what].add(run_flow(clone, archive, [*overrides, *list_seeds(seed)]))
    return [figure for what, each in seen.items() for figure in tell(what, each)]


@contextmanager
def open_clone() -> Iterator[Path]:
    """Give a clone of the project, and stop its servers at the end."""
    with TemporaryDirectory() as place:
        clone = Path(place) / "trifold"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        try:
            yield clone
        finally:
            subprocess.run([sys.executable, "-m", "flows", "down"], cwd=clone, check=True)


def run_flow(clone: Path, archive: Path, overrides: list[str]) -> dict[str, dict[str, object]]:
    """Run the flow; return its figures."""
    source = [f"source.archive={archive}", f"source.sha256={hash_file(archive)}"]
    options = [word for one in [*source, *overrides] for word in ("--set", one)]
    command = [sys.executable, "-m", "flows", "run", "text", "--preset", "sentiment140", *options]
    subprocess.run(command, cwd=clone, check=True)
    return json.loads((clone / "data/text/evaluate/metrics.json").read_text())


def list_seeds(seed: int) -> list[str]:
    """Return the overrides that give the split and every network another seed."""
    names = [f"members.{name}" for name in read_yaml(PRESET)["members"]]
    return [f"{name}.seed={seed}" for name in ("folds", "pretrain", *names)]


def tell(what: str, seen: Seen) -> Iterator[Figure]:
    """Yield a figure for the ensemble, one with everyone in it, and one for each member."""
    is_target = what == "hand-labelled tweets"
    for name, accuracies in seen.accuracies.items():
        mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
        low, high = find_interval(mean, seen.examples)
        judged = is_target and name == "ensemble"
        yield Figure(
            f"{name}, {seen.examples:,} {what}",
            (PUBLISHED if is_target else BOOK) if name == "ensemble" else "",
            f"{mean:.1%} ± {spread:.1%} over {len(accuracies)} seeds, 95 % interval {low:.1%} to {high:.1%}",
            "",
            f"{TARGET:.0%}" if judged else "",
            mean >= TARGET or not judged,
        )


def find_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share seen in so many examples."""
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return middle - half, middle + half
