"""The accuracy at the found learning rate against that at its neighbours, and how much the found rate varies."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.real_data import SEEDS, Clone, clone_for, find_archive
from benchmarks.table import Figure, read_commit
from flows.engine.project import ROOT

FACTORS = (1.0, 0.125, 0.25, 0.5, 2.0, 4.0, 8.0)
MOST_POINTS = 1.0  # below the best neighbour
MOST_VARIATION = 0.15  # standard deviation of log10 of the found rate


@dataclass(frozen=True)
class Case:
    """A flow on a data set: the embedded sample, or the archive in the environment variable `archive`."""

    name: str
    flow: str
    preset: str = ""
    archive: str = ""
    changes: Mapping[str, object] = field(default_factory=dict)


SOUNDS, PICTURES, TEXTS = (Case(f"sample of {flow}", flow) for flow in ("audio", "images", "text"))
ESC10 = Case("ESC-10, one fold", "audio", "esc10", "ESC10", {"folds.mode": "holdout"})
ANTS_AND_BEES = Case("ants and bees", "images", "ants-and-bees", "ANTS_AND_BEES")
IMAGENETTE = Case("Imagenette", "images", "imagenette", "IMAGENETTE")
TWEETS = Case("20,000 tweets", "text", "sentiment140", "SENTIMENT140", {"folds.mode": "holdout"})


@dataclass(frozen=True)
class Run:
    """The accuracy of each member in a run, and the rate that each of its range tests found."""

    accuracies: dict[str, float]
    rates: dict[str, float]


class Runs:
    """Runs of a case, kept in a file after each one, so that an interrupted row goes on from there."""

    def __init__(self, case: Case, clone: Clone) -> None:
        self.case, self.clone = case, clone
        self.file = ROOT / ".trifold/benchmarks" / f"lr_finder {case.name} {read_commit()}.json"
        self.kept: dict[str, dict[str, dict[str, float]]] = (
            json.loads(self.file.read_text()) if self.file.exists() else {}
        )

    def run(self, seed: int, factor: float) -> Run:
        """Run the flow with one seed for all members, its found rates times `factor`."""
        key = f"seed {seed}, factor {factor:g}"
        if key not in self.kept:
            changes = dict(self.case.changes) | self._list_seeds(seed)
            if factor != 1:
                changes |= self._list_rates(self.run(seed, 1.0).rates, factor)
            self.clone.run(changes)
            self.kept[key] = {"accuracies": self._read_accuracies(), "rates": self._read_rates()}
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.kept))
        return Run(**self.kept[key])

    def _list_seeds(self, seed: int) -> dict[str, object]:
        return {f"members.{name}.seed": seed for name in self.clone.read_params()["members"]}

    def _list_rates(self, rates: Mapping[str, float], factor: float) -> dict[str, object]:
        """Return the params that give each member its rate."""
        members = self.clone.read_params()["members"]
        return {f"members.{name}.lr": rates[name] * factor for name in members if name in rates}

    def _read_accuracies(self) -> dict[str, float]:
        members = json.loads((self._data / "evaluate/metrics.json").read_text())["members"]
        return {name: scores["accuracy"] for name, scores in members.items()}

    def _read_rates(self) -> dict[str, float]:
        """Return the mean over the rounds of the rate of each member."""
        found: dict[str, list[float]] = {}
        for file in sorted(self._data.glob("lr-*/lr.json")):
            name = file.parent.name.split("-")[-2]
            found.setdefault(name, []).append(json.loads(file.read_text())["lr"])
        return {name: statistics.geometric_mean(rates) for name, rates in found.items()}

    @property
    def _data(self) -> Path:
        return self.clone.root / "data" / self.case.flow


def measure_samples() -> list[Figure]:
    """Compare rates on the three embedded samples."""
    return [figure for case in (SOUNDS, PICTURES, TEXTS) for figure in measure(case)]


def measure_real() -> list[Figure]:
    """Compare rates on real data; ESC10, ANTS_AND_BEES, IMAGENETTE and SENTIMENT140 are the archives' paths."""
    return [figure for case in (ESC10, ANTS_AND_BEES, IMAGENETTE, TWEETS) for figure in measure(case)]


def measure(case: Case) -> list[Figure]:
    """Return for each member the accuracy at the found rate beside the best neighbour's, and the rates' variation."""
    archive = find_archive("lr_finder_real", case.archive) if case.archive else None
    with clone_for(case.flow, case.preset, archive) as clone:
        runs = Runs(case, clone)
        grid = {factor: [runs.run(seed, factor) for seed in SEEDS] for factor in FACTORS}
    found = grid[1.0]
    return [
        *(compare_rates(f"{case.name}, {name}", grid, name) for name in found[0].accuracies),
        *(
            describe_rates(f"{case.name}, rate of {name}", [run.rates[name] for run in found])
            for name in found[0].rates
        ),
    ]


def compare_rates(what: str, grid: Mapping[float, Sequence[Run]], member: str) -> Figure:
    """Return the mean accuracy of a member at its found rate, beside the best mean of the neighbours."""
    means = {factor: statistics.mean(run.accuracies[member] for run in runs) for factor, runs in grid.items()}
    best = max(means, key=lambda factor: means[factor])
    spread = statistics.stdev(run.accuracies[member] for run in grid[1.0])
    points = (means[best] - means[1.0]) * 100
    return Figure(
        f"{what}: accuracy",
        f"rate × {best:g}: {means[best]:.1%}",
        f"{means[1.0]:.1%} ± {spread:.1%} over {len(SEEDS)} seeds",
        f"{-points:+.1f} points",
        f"-{MOST_POINTS:.1f} points",
        points <= MOST_POINTS,
    )


def describe_rates(what: str, rates: Sequence[float]) -> Figure:
    """Return the mean of a found rate over the seeds, and its variation."""
    variation = statistics.stdev(math.log10(rate) for rate in rates)
    mean = statistics.geometric_mean(rates)
    return Figure(
        what, "", f"{mean:.2g}", f"± {variation:.2f} in log10", f"{MOST_VARIATION}", variation <= MOST_VARIATION
    )
