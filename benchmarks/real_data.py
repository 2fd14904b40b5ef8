"""Runs of a flow in a fresh clone: on real data with a preset, as README.md shows, or on the embedded sample."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.table import MissingDataError
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.params import read_yaml
from flows.engine.project import ROOT
from flows.engine.tracking.ledger import read_made

SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class FlowResult:
    """The figures of the ensemble and of each member, and the minutes of all learning-rate searches and trainings."""

    figures: dict[str, Any]
    members: dict[str, dict[str, Any]]
    minutes: float


@dataclass(frozen=True)
class Clone:
    """A fresh clone, with the preset and the archive of its runs; both are empty for the embedded sample."""

    root: Path
    flow: str
    preset: str = ""
    archive: Path | None = None

    def run(self, changes: Mapping[str, object] | None = None) -> FlowResult:
        """Run the flow with the preset and with `changes` to its params."""
        source = {"source.archive": self.archive, "source.digest": ""} if self.archive else {}
        values = source | dict(changes or {})
        overrides = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
        # A preset starts from the committed files; so must the sample, whatever the run before changed.
        subprocess.run(["git", "restore", "params", "dvc.yaml"], cwd=self.root, check=True)
        self.call("run", self.flow, *(["--preset", self.preset] if self.preset else []), *overrides)
        metrics = json.loads((self.root / "data" / self.flow / "evaluate/metrics.json").read_text())
        return FlowResult(metrics["ensemble"], metrics["members"], sum(self._read_seconds()) / 60)

    def read_params(self, changes: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return the params that a run with these changes has."""
        overrides = [f"{key}={value}" for key, value in (changes or {}).items()]
        return read_changed(self.flow, preset=self.preset, overrides=overrides).model_dump()

    def call(self, *arguments: str) -> None:
        """Call the command line."""
        subprocess.run([sys.executable, "-m", "flows", *arguments], cwd=self.root, check=True)

    def _read_seconds(self) -> Iterator[float]:
        """Yield the seconds that each training stage in dvc.yaml took when it was computed."""
        stages = read_yaml(str(self.root / "dvc.yaml"))["stages"]
        for name in stages:
            if name.startswith((f"{self.flow}-lr-", f"{self.flow}-fit-")):
                made = read_made(self.root, name)
                yield made.seconds if made else 0.0


def find_archive(row: str, variable: str) -> Path:
    """Return the path in an environment variable; raises MissingDataError when there is no such file."""
    given = os.environ.get(variable, "")
    if not Path(given).is_file():
        fault = f"is {given!r}, which is no file" if given else "is not set"
        raise MissingDataError(f"{variable} {fault}: name the data with `make bench ROW={row} {variable}=PATH`")
    return Path(given).resolve()


@contextmanager
def clone_for(flow: str, preset: str = "", archive: Path | None = None) -> Iterator[Clone]:
    """Make a clone for a row; stop its servers afterwards."""
    with TemporaryDirectory() as place:
        clone = Clone(Path(place) / "trifold", flow, preset, archive)
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone.root)], check=True)
        try:
            yield clone
        finally:
            clone.call("down")


def run_seeds(clone: Clone, seeds: Sequence[int], changes: Mapping[str, object] | None = None) -> list[FlowResult]:
    """Run the flow once for each seed; all members get the same one."""
    members = clone.read_params()["members"]
    return [clone.run({**(changes or {}), **{f"members.{name}.seed": seed for name in members}}) for seed in seeds]


def summarise(results: Sequence[FlowResult]) -> tuple[float, float, float]:
    """Return the mean of the accuracies, their spread, and the mean of the minutes."""
    accuracies = [result.figures["accuracy"] for result in results]
    minutes = statistics.mean(result.minutes for result in results)
    return statistics.mean(accuracies), statistics.stdev(accuracies), minutes
