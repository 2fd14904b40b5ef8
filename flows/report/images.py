"""The report of a run of the images flow."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.drivers.record import FlowRecord
from flows.engine.graph.stage import Role
from flows.report.blocks import Block, Chapter, Chart, Exhibit, Gallery, Sheet
from flows.report.charts import draw_lines
from flows.report.frame import render_run
from flows.report.labels import describe_doubt, show_labels
from flows.report.media import embed_drawing, embed_picture
from flows.report.training import SHARE, show_training
from tasks.images.error_analysis import analyse_errors
from tasks.images.resize import resize_pictures
from tasks.learning.fitted import read_fit
from tasks.tables import read_rows

if TYPE_CHECKING:
    from tasks.features import Features

SHOWN = 21


def render_report(record: FlowRecord) -> str:
    """Return the report of a run as HTML."""
    training = show_training(record)
    return render_run(
        record,
        training=Chapter(training.title, (*training.blocks, *draw_sizes(record))),
        examples=Chapter("Examples", (*_show_pictures(record), *_show_doubts(record))),
    )


def draw_sizes(record: FlowRecord) -> Iterator[Block]:
    """Draw each member's validation and test accuracy at the end of each of its sizes."""
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
    yield Chart("Accuracy by picture size", draw_lines(rows, x=side, y=SHARE, series="of", more=more))


def _show_pictures(record: FlowRecord) -> Iterator[Block]:
    folder = record.folder(analyse_errors)
    if folder is None:
        return
    rows = read_rows(folder / "errors.csv")
    wrong = [row for row in rows if row["actual"] != row["predicted"]]
    right = [row for row in rows if row["actual"] == row["predicted"]]
    for title, found in (("Worst errors", wrong), ("Correct with the least confidence", right)):
        if found:
            note = "bold: actual class, then predicted class" if found is wrong else ""
            yield Gallery(title, list(_exhibit_pictures(record, found[:SHOWN])), note)
    if (maps := folder / "maps.png").exists():
        note = "Grad-CAM of the last network on its least confident pictures: red areas support the decision"
        yield Sheet("Activation maps", embed_drawing(maps), note=note)


def _exhibit_pictures(record: FlowRecord, rows: list[dict[str, str]]) -> Iterator[Exhibit]:
    """Yield test pictures at the largest size."""
    pictures = _open_largest(record)
    for row in rows:
        picture, name = embed_picture(pictures[int(row["example"])]), row["file"].rpartition("/")[2]
        yield Exhibit(row["actual"], row["predicted"], f"{float(row['p_predicted']):.0%}", picture, name=name)


def _show_doubts(record: FlowRecord) -> Iterator[Block]:
    def exhibit(row: Mapping[str, str]) -> Exhibit:
        picture = embed_picture(_open_largest(record)[int(row["example"])])
        return describe_doubt(row, picture=picture, name=row["file"].rpartition("/")[2])

    return show_labels(record, exhibit, shown=SHOWN)


def _open_largest(record: FlowRecord) -> Features:
    """Return all pictures at the largest size, (pictures, side, side, 3)."""
    from tasks.features import open_features

    sizes: dict[int, list[Path]] = defaultdict(list)
    for _, folder in record.find(resize_pictures):
        sizes[json.loads((folder / "picture.json").read_text())["pixels"]].append(folder)
    return open_features(sizes[max(sizes)])
