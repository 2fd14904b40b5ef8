"""A flow run on real data by its preset, in a fresh clone, as its README line does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.table import MissingDataError
from flows.engine.project import ROOT


@dataclass(frozen=True)
class Outcome:
    """The evaluation's figures, the whole and by member, and the minutes that the trainings took."""

    figures: dict[str, Any]
    minutes: float


@dataclass(frozen=True)
class Clone:
    """A fresh clone, and the preset that it runs on an archive."""

    root: Path
    flow: str
    preset: str
    archive: Path

    def run(self, changes: Mapping[str, object] | None = None) -> Outcome:
        """Run the flow with the preset and some values changed."""
        values = {"source.archive": self.archive, **(changes or {})}
        overrides = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
        self.call("run", self.flow, "--preset", self.preset, *overrides)
        figures = json.loads((self.root / "data" / self.flow / "evaluate/metrics.json").read_text())["ensemble"]
        return Outcome(figures, sum(self._read_seconds()) / 60)

    def call(self, *arguments: str) -> None:
        """Call the command line."""
        subprocess.run([sys.executable, "-m", "flows", *arguments], cwd=self.root, check=True)

    def _read_seconds(self) -> Iterator[float]:
        """Yield what each training of the graph as it stands took, when it was computed."""
        for folder in (self.root / "data" / self.flow).glob("fit-*"):
            yield json.loads((self.root / f".trifold/made/{self.flow}-{folder.name}.json").read_text())["seconds"]


@contextmanager
def clone_for(row: str, variable: str, *, flow: str, preset: str) -> Iterator[Clone]:
    """Make a clone for a row whose archive's path stands in an environment variable; take it down afterwards."""
    archive = Path(os.environ.get(variable, ""))
    if not archive.is_file():
        raise MissingDataError(
            f"{variable}={str(archive)!r} is no file; give its path: make bench ROW={row} {variable}=PATH"
        )
    with TemporaryDirectory() as place:
        clone = Clone(Path(place) / "trifold", flow, preset, archive.resolve())
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone.root)], check=True)
        try:
            yield clone
        finally:
            clone.call("down")
