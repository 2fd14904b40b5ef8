"""The report's data chapter: counts, dropped examples with reasons, class balance, folds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from flows.engine.drivers.record import FlowRecord
from flows.engine.graph.stage import Role
from flows.report.blocks import Bar, Block, Chapter, Chart, Table, Tile, Tiles
from flows.report.charts import draw_bars
from tasks.tables import read_rows

SHOWN = 8  # dropped rows
APART = ("classes", "dropped", "examples", "groups")


def show_data(record: FlowRecord, more: Iterable[Block]) -> Chapter:
    """Return the counts of the clean table, its classes, what the domain adds, the dropped examples, and the folds."""
    folder = record.folder(Role.CLEAN_TABLE)
    if folder is None:
        return Chapter("Data")
    report = json.loads((folder / "report.json").read_text())
    blocks = [*_list_blocks(folder, report), *more, *_list_folds(record)]
    if report.get("dropped"):
        blocks.append(_show_dropped(folder / "dropped.csv"))
    return Chapter("Data", blocks)


def _list_blocks(folder: Path, report: Mapping[str, Any]) -> Iterator[Block]:
    classes, dropped = read_rows(folder / "classes.csv", ["category", "examples"]), report.get("dropped", {})
    tiles = [Tile("examples", f"{report['examples']:,}"), Tile("classes", str(len(classes)))]
    if "groups" in report:
        tiles.append(Tile("groups", f"{report['groups']:,}", "each group is in one fold"))
    yield Tiles([*tiles, Tile("dropped", f"{sum(dropped.values()):,}")])
    counts = [{"category": row["category"], "examples": int(row["examples"])} for row in classes]
    yield Chart("Class balance", draw_bars(counts, name="category", value="examples"), note="examples per class")
    if dropped:
        most = max(dropped.values())
        worst_first = sorted(dropped.items(), key=lambda pair: -pair[1])
        rows = [[reason, Bar(f"{count:,}", count / most)] for reason, count in worst_first]
        yield Table(("reason", "dropped"), rows, title="Dropped examples by reason", wide=False)
    facts = [
        [name.replace("_", " "), ", ".join(f"{key}: {_format(value)}" for key, value in values.items())]
        for name, values in report.items()
        if name not in APART and isinstance(values, Mapping)
    ]
    if facts:
        yield Table(("", ""), facts, title="Properties", wide=False)


def _show_dropped(path: Path) -> Table:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or [])
        rows = [[row[name] or "" for name in columns] for row in islice(reader, SHOWN)]
    return Table(columns, rows, title=f"First rows of {path.name}")


def _list_folds(record: FlowRecord) -> Iterator[Block]:
    folder = record.folder(Role.FOLDS)
    if folder is None:
        return
    dealt = json.loads((folder / "folds.json").read_text())
    rows = [[", ".join(map(str, each[part])) or "–" for part in ("train", "valid", "test")] for each in dealt["rounds"]]
    mode = dealt["mode"].replace("_", " ")
    yield Table(("training", "validation", "test"), rows, title=f"Folds of each round, {mode}", wide=False)


def _format(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
