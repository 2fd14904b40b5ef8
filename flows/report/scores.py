"""The report's chapters on results: classes, confusion matrix, calibration, members."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from flows.engine.drivers.record import FlowRecord
from flows.engine.graph.stage import Role
from flows.report.blocks import Bar, Block, Chapter, Chart, Table
from flows.report.charts import draw_bars, draw_calibration, draw_confusion
from tasks.tables import read_rows

TABLED = 60  # the number of classes in the table


def show_scores(record: FlowRecord) -> Chapter:
    """Return the classes' metrics, the confusion matrix and the calibration."""
    folder = record.folder(Role.EVALUATION)
    return Chapter("Results", tuple(_list_scores(folder)) if folder else ())


def show_ensemble(record: FlowRecord) -> Chapter:
    """Return each member's share and metrics, the ensemble's metrics, and the reasons for shares and temperature."""
    together, folder = record.folder(Role.PREDICTIONS), record.folder(Role.EVALUATION)
    if together is None or folder is None:
        return Chapter("Ensemble")
    made, figures = (
        json.loads((together / "ensemble.json").read_text()),
        json.loads((folder / "metrics.json").read_text()),
    )
    reasons = "; ".join(dict.fromkeys([*(each["reason"] for each in made["rounds"]), made["temperature_reason"]]))
    weights = {name: mean(each["weights"].get(name, 0.0) for each in made["rounds"]) for name in made["members"]}
    rows = [
        _list_cells(name.replace("_", " "), figures[name], "")
        for name in ("ensemble", "all_members")
        if name in figures
    ]
    rows += [
        _list_cells(name, scores, Bar(f"{weights[name]:.3f}", weights[name]) if name in weights else "not exported")
        for name, scores in figures["members"].items()
    ]
    columns = ("model", "share", "accuracy", "spread", "macro F1", "log loss", "calibration error")
    return Chapter("Ensemble", (Table(columns, rows, figures=range(2, 7)),), f"{reasons[0].upper()}{reasons[1:]}.")


def _list_cells(name: str, scores: Mapping[str, Any], weight: Bar | str) -> list[Bar | str]:
    spread = f"± {scores['accuracy_spread']:.1%}" if scores["folds"] > 1 else ""
    others = [f"{scores[key]:.3f}" for key in ("macro_f1", "log_loss", "calibration_error")]
    return [name, weight, f"{scores['accuracy_mean']:.1%}", spread, *others]


def _list_scores(folder: Path) -> Iterator[Block]:
    classes = read_rows(folder / "per_class.csv", ["category", "precision", "recall", "f1", "examples"])
    figures: list[dict[str, Any]] = [
        {"category": row["category"], **{key: float(row[key]) for key in list(row)[1:]}} for row in classes
    ]
    worst_first = sorted(figures, key=lambda row: row["f1"])
    tooltip = ("precision", "recall", "examples")
    bars = draw_bars(worst_first, name="category", value="f1", tooltip=tooltip, scale={"domain": [0, 1]})
    yield Chart("F1 of each class", bars, note="worst first")
    yield Chart(
        "Confusion matrix",
        _count_confusions(folder, [row["category"] for row in classes]),
        note="rows: actual class, columns: predicted class; shade: share of the actual class",
    )
    bins = [{key: float(value) for key, value in row.items()} for row in read_rows(folder / "calibration.csv")]
    yield Chart("Calibration", draw_calibration(bins), note="accuracy by confidence; dashed: perfect calibration")
    rows = [
        [row["category"], *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), f"{row['examples']:.0f}"]
        for row in worst_first[:TABLED]
    ]
    columns = ("class", "precision", "recall", "F1", "examples")
    yield Table(columns, rows, figures=range(1, 5), title="Classes", wide=False)


def _count_confusions(folder: Path, classes: list[str]) -> dict[str, Any]:
    pairs = Counter((row["actual"], row["predicted"]) for row in read_rows(folder / "confusion.csv"))
    totals: Counter[str] = Counter()
    for (actual, _), count in pairs.items():
        totals[actual] += count
    # With many classes, only pairs that occur are drawn.
    cells = [(a, p) for a in classes for p in classes if pairs[a, p] or len(classes) <= 20]
    rows = [
        {"actual": a, "predicted": p, "examples": pairs[a, p], "share": pairs[a, p] / max(1, totals[a])}
        for a, p in cells
    ]
    return draw_confusion(rows, classes)
