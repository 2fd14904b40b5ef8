"""The page of a run of the pictures flow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flows.engine.drivers.record import FlowRecord
from flows.engine.graph.stage import Role
from flows.report.charts import draw_lines
from flows.report.frame import render_run
from flows.report.media import embed_drawing, embed_picture
from flows.report.parts import Chart, Exhibit, Gallery, Part, Section, Sheet
from flows.report.training import SHARE, tell_learning
from tasks.images.error_analysis import analyse_errors
from tasks.images.resize import resize_pictures
from tasks.learning.fitted import read_fit
from tasks.tables import read_rows

SHOWN = 21


def render_report(record: FlowRecord) -> str:
    """Return the page of a run."""
    learning = tell_learning(record)
    return render_run(
        record,
        learning=Section(learning.title, (*learning.parts, *draw_sizes(record))),
        examples=Section("Examples", tuple(_show_pictures(record))),
    )


def draw_sizes(record: FlowRecord) -> Iterator[Part]:
    """Draw how right each member was at the end of each of its sizes: on validation, and on the test pictures."""
    evaluate = record.folder(Role.EVALUATION)
    tested = json.loads((evaluate / "metrics.json").read_text())["members"] if evaluate else {}
    rows: list[dict[str, Any]] = []
    for _, folder in record.find(Role.FIT):
        fit = read_fit(folder)
        known = {"pixels": fit.input_shape[0], "member": fit.member}
        last = read_rows(folder / "history.csv")[-1]
        if "valid_accuracy" in last:
            rows.append({**known, "of": "validation, last epoch", "accuracy": float(last["valid_accuracy"])})
        if fit.label in tested:
            rows.append({**known, "of": "test", "accuracy": tested[fit.label]["accuracy_mean"]})
    if len({row["pixels"] for row in rows}) < 2:
        return
    sides = sorted({row["pixels"] for row in rows})
    side = {"field": "pixels", "title": "side in pixels", "axis": {"values": sides}}
    more = {"detail": {"field": "member"}}
    yield Chart("Accuracy over picture sizes", draw_lines(rows, x=side, y=SHARE, series="of", more=more))


def _show_pictures(record: FlowRecord) -> Iterator[Part]:
    folder = record.folder(analyse_errors)
    if folder is None:
        return
    rows = read_rows(folder / "errors.csv")
    wrong = [row for row in rows if row["actual"] != row["predicted"]]
    right = [row for row in rows if row["actual"] == row["predicted"]]
    for title, found in (("Worst errors", wrong), ("Right, and least sure of it", right)):
        if found:
            note = "bold: what it is, then what it was taken for" if found is wrong else ""
            yield Gallery(title, list(_exhibit_pictures(record, found[:SHOWN])), note)
    if (maps := folder / "maps.png").exists():
        note = "Grad-CAM of the last network on pictures it was least certain of: red made it decide"
        yield Sheet("Activation maps", embed_drawing(maps), note=note)


def _exhibit_pictures(record: FlowRecord, rows: list[dict[str, str]]) -> Iterator[Exhibit]:
    """Show test pictures at the largest size."""
    from tasks.features import open_features

    sizes = [open_features(folder) for _, folder in record.find(resize_pictures)]
    pictures = max(sizes, key=lambda features: features.shape[1])
    for row in rows:
        picture, name = embed_picture(pictures[int(row["example"])]), row["file"].rpartition("/")[2]
        yield Exhibit(row["actual"], row["predicted"], f"{float(row['p_predicted']):.0%}", picture, name=name)
