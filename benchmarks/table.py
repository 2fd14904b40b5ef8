"""Rows of the table of benchmarks: how they are measured, stored and printed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.engine.graph.definitions import hash_text
from flows.engine.graph.dvc_yaml import trace_flow
from flows.engine.graph.fingerprint import fingerprint
from flows.engine.graph.overrides import read_changed
from flows.engine.machine import name_cpu

RESULTS = Path(__file__).parent / "results"
QUICK_MIN = 4


@dataclass(frozen=True)
class Figure:
    """One measured figure: the peer's value, ours, and the target."""

    name: str
    peer: str
    ours: str
    ratio: str
    target: str
    reached: bool


@dataclass(frozen=True)
class Row:
    """One benchmark, which measures one figure or more.

    `minutes` is how long it takes on two cores. `runs` names the flows whose results it measures, each with its preset:
    "audio", "audio-esc10".
    """

    name: str
    measure: Callable[[], list[Figure]]
    minutes: float
    runs: tuple[str, ...] = ()

    @property
    def is_quick(self) -> bool:
        """Whether `make bench` without a name measures it."""
        return self.minutes <= QUICK_MIN

    def digest_code(self) -> str:
        """Return a digest of the code and settings that the figures depend on.

        Without `runs` that is all code of the project that the measurement reaches. With `runs` it is the code of the
        flows' stages, their params, and the measurement's own definitions in this folder.
        """
        module = self.measure.__module__
        lines = fingerprint([f"{module}:{self.measure.__name__}"], []).splitlines()
        if self.runs:
            lines = [line for line in lines if line.startswith(module.partition(".")[0])]
        for run in self.runs:
            lines += _list_run_code(run)
        return hash_text("\n".join(lines))


@cache
def _list_run_code(run: str) -> list[str]:
    """Return the params of a flow with its preset, "audio-esc10", and the fingerprints of its stages' code."""
    flow, _, preset = run.partition("-")
    params = read_changed(flow, preset=preset, overrides=[])
    return [params.model_dump_json(), *(stage.code.make_fingerprint() for stage in trace_flow(flow, params))]


class MissingDataError(Exception):
    """A row needs real data whose path is missing; the message says how to pass the path."""


def run_row(row: Row) -> None:
    """Measure a row and store its figures with commit, machine, date and seconds."""
    started_s, commit, code = time.monotonic(), read_commit(), row.digest_code()
    figures = row.measure()
    record = {
        "row": row.name,
        "figures": [asdict(figure) for figure in figures],
        "commit": commit,
        "code": code,
        "machine": name_cpu(),
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.monotonic() - started_s),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{row.name}.json").write_text(json.dumps(record, indent=2) + "\n")


def read_commit() -> str:
    """Return the commit's short hash, with "-dirty" when files other than the results have uncommitted changes."""
    changed = _ask_git("status", "--porcelain", "--untracked-files=no", "--", ":/", f":(exclude){RESULTS.name}")
    return (_ask_git("rev-parse", "--short", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _ask_git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return result.stdout.strip()


def print_table(rows: list[Row]) -> None:
    """Print the figures of every row, and whether the code that they measured is still the same."""
    table = Table("row", "figure", "peer", "ours", "ratio", "target", "", "measured")
    for row in rows:
        record = read_record(row)
        if record is None:
            again = f"make bench ROW={row.name}, {row.minutes:g} min"
            table.add_row(row.name, "not measured yet", "", "", "", "", "", again)
            continue
        measured = f"{record['date']} at {record['commit']}"
        if record.get("code") != row.digest_code():
            measured += ", CODE CHANGED"
        for figure in record["figures"]:
            mark = "reached" if figure.pop("reached") else "MISSED"
            table.add_row(row.name, *figure.values(), mark, measured)
    Console(width=160).print(table)


def read_record(row: Row) -> dict[str, Any] | None:
    """Return the stored figures of a row, or None if it was never measured."""
    path = RESULTS / f"{row.name}.json"
    return json.loads(path.read_text()) if path.exists() else None
