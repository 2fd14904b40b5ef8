"""The report's training chapter: range tests, losses and accuracy over epochs, the layers' activations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.engine.drivers.record import FlowRecord
from flows.engine.graph.stage import Role
from flows.report.blocks import Block, Chapter, Chart
from flows.report.charts import SERIES, add_marks, draw_lines
from tasks.learning.fitted import read_fit
from tasks.tables import read_rows

EPOCH = {"field": "epoch", "title": "epoch", "axis": {"tickMinStep": 1, "format": "d"}}
SHARE = {"field": "accuracy", "title": "accuracy", "axis": {"format": "%"}}
Rows = list[dict[str, Any]]


def show_training(record: FlowRecord) -> Chapter:
    """Return the charts of all trainings; the fits of a member at several sizes are joined."""
    return Chapter("Training", (*_draw_rates(record), *_draw_courses(record), *_draw_activations(record)))


def _draw_rates(record: FlowRecord) -> Iterator[Block]:
    rows: Rows = []
    chosen: Rows = []
    for name, folder in _find_with(record, Role.RANGE_TEST, "curve.csv"):
        curve = [{key: float(value) for key, value in row.items()} for row in read_rows(folder / "curve.csv")]
        lr = json.loads((folder / "lr.json").read_text())["lr"]
        rows += [{"test": name, "lr": row["lr"], "loss": row["smoothed"]} for row in curve]
        at = min(curve, key=lambda row: abs(row["lr"] - lr))
        chosen.append({"test": name, "lr": lr, "loss": at["smoothed"]})
    if not rows:
        return
    lr = {"field": "lr", "title": "learning rate", "scale": {"type": "log"}, "axis": {"format": ".0e", "tickCount": 6}}
    loss = {"field": "loss", "title": "smoothed loss", "scale": {"zero": False}}
    chart = draw_lines(rows, x=lr, y=loss, series="test")
    dots = {"type": "point", "filled": True, "size": 90, "stroke": "var(--card)", "strokeWidth": 1.5, "opacity": 1}
    encoding = chart["layer"][0]["encoding"]
    chart["layer"].append({"data": {"values": chosen}, "mark": dots, "encoding": encoding})
    note = "dot: the chosen rate, below the rate at which the loss begins to rise"
    yield Chart("Learning-rate range tests", chart, note=note)


def _draw_courses(record: FlowRecord) -> Iterator[Block]:
    epochs, marks = _read_courses(record)
    if not epochs:
        return
    losses = [
        {**_name(row), "part": label, "loss": float(row[column])}
        for row in epochs
        for column, label in (("train_loss", "training"), ("valid_loss", "validation"))
        if column in row
    ]
    dash = {"field": "part", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    more = {"strokeDash": dash, "detail": {"field": "fold"}}
    chart = draw_lines(losses, x=EPOCH, y={"field": "loss", "title": "loss"}, series="member", more=more)
    yield Chart("Loss", add_marks(chart, marks, x="epoch"), note="per epoch")
    right = [{**_name(row), "accuracy": float(row["valid_accuracy"])} for row in epochs if "valid_accuracy" in row]
    if right:
        chart = draw_lines(right, x=EPOCH, y=SHARE, series="member", more={"detail": {"field": "fold"}})
        yield Chart("Validation accuracy", add_marks(chart, marks, x="epoch"), note="per epoch")
    rates = [{**_name(row), "rate": float(row["lr"])} for row in epochs]
    rate = {"field": "rate", "title": "learning rate", "axis": {"format": ".2~e"}}
    chart = draw_lines(rates, x=EPOCH, y=rate, series="member", more={"detail": {"field": "fold"}})
    yield Chart(
        "Learning rate", add_marks(chart, marks, x="epoch"), note="at the end of each epoch; one cycle per training"
    )


def _name(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("member", "fold", "size", "epoch") if row[name] != ""}


def _read_courses(record: FlowRecord) -> tuple[Rows, Rows]:
    """Return the epochs of all fits, numbered on where a fit continues another, and where each new size begins."""
    done: dict[tuple[str, int], int] = {}
    epochs: Rows = []
    marks: dict[float, str] = {}
    for _, folder in _find_with(record, Role.FIT, "history.csv"):
        fit = read_fit(folder)
        before = done.get((fit.member, fit.fold), 0)
        history = read_rows(folder / "history.csv")
        known = {"member": fit.member, "fold": fit.fold, "size": fit.size}
        epochs += [{**row, **known, "epoch": before + n} for n, row in enumerate(history, start=1)]
        done[fit.member, fit.fold] = before + len(history)
        if fit.size:
            marks.setdefault(before + 0.5, fit.size)
    return epochs, [{"at": at, "label": label} for at, label in marks.items()]


def _draw_activations(record: FlowRecord) -> Iterator[Block]:
    fits = _find_with(record, Role.FIT, "activations.csv")
    if not fits:
        return
    name, folder = fits[-1]
    layers = [
        {**row, "epoch": int(row["epoch"]), "std": float(row["std"])} for row in read_rows(folder / "activations.csv")
    ]
    spread = {"field": "std", "title": "standard deviation"}
    chart = draw_lines(layers, x=EPOCH, y=spread, series="layer")
    colour = chart["layer"][0]["encoding"]["color"]
    if colour["legend"] is None:
        # There are more layers than colours, so layers get one hue, from faint (input) to full (output).
        opacity = {"field": "depth", "type": "quantitative", "legend": None, "scale": {"range": [0.2, 1]}}
        order = {name: n for n, name in enumerate(dict.fromkeys(row["layer"] for row in layers))}
        chart["data"]["values"] = [{**row, "depth": order[row["layer"]]} for row in layers]
        colour["scale"] = {"range": [SERIES[0]]}
        chart["layer"][0]["encoding"] |= {"opacity": opacity}
    note = f"layers of {name}, from input (faint) to output; a layer at 0 is dead"
    yield Chart("Spread of each layer's output", chart, note=note)


def _find_with(record: FlowRecord, role: Role, file: str) -> list[tuple[str, Path]]:
    """Return label and output of each stage with this role whose output has the file."""
    return [(stage.label, folder) for stage, folder in record.find(role) if (folder / file).exists()]
