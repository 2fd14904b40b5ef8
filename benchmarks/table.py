"""Rows of the table of benchmarks: how they are measured, stored and printed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.engine.machine import name_cpu

RESULTS = Path(__file__).parent / "results"


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
    """One benchmark, which measures one figure or more; a quick one takes less than two minutes."""

    name: str
    measure: Callable[[], list[Figure]]
    quick: bool


class MissingDataError(Exception):
    """A row needs real data whose path is missing; the message says how to pass the path."""


def run_row(row: Row) -> None:
    """Measure a row and store its figures with commit, machine, date and seconds."""
    started_s, commit = time.monotonic(), read_commit()
    figures = row.measure()
    record = {
        "row": row.name,
        "figures": [asdict(figure) for figure in figures],
        "commit": commit,
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
    """Print the figures of every row; figures of another commit show that commit."""
    table = Table("row", "figure", "peer", "ours", "ratio", "target", "", "measured")
    now = read_commit()
    for row in rows:
        record = read_record(row)
        if record is None:
            table.add_row(row.name, "not measured yet", "", "", "", "", "", f"make bench ROW={row.name}")
            continue
        measured = record["date"] if record["commit"] == now else f"{record['date']} at {record['commit']}"
        for figure in record["figures"]:
            mark = "reached" if figure.pop("reached") else "MISSED"
            table.add_row(row.name, *figure.values(), mark, measured)
    Console(width=160).print(table)


def read_record(row: Row) -> dict[str, Any] | None:
    """Return the stored figures of a row, or None if it was never measured."""
    path = RESULTS / f"{row.name}.json"
    return json.loads(path.read_text()) if path.exists() else None
