"""The report's gallery of doubtful labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from flows.engine.drivers.record import FlowRecord
from flows.engine.graph.stage import Role
from flows.report.blocks import Block, Exhibit, Gallery
from tasks.tables import read_rows


def show_labels(record: FlowRecord, exhibit: Callable[[Mapping[str, str]], Exhibit], *, shown: int) -> Iterator[Block]:
    """Yield the most doubtful labels; `exhibit` shows a row of `audit.csv`."""
    folder = record.folder(Role.AUDIT)
    if folder is None:
        return
    figures = json.loads((folder / "audit.json").read_text())
    note = (
        f"{figures['n_suspect']:,} of {figures['n_audited']:,} labels are suspect; bold: the label, then the class "
        "that a model suggests which did not see the example"
    )
    yield Gallery("Most doubtful labels", [exhibit(row) for row in read_rows(folder / "audit.csv")[:shown]], note)


def describe_doubt(row: Mapping[str, str], **media: str) -> Exhibit:
    """Return a row of `audit.csv` with its picture, sound or text."""
    return Exhibit(row["label"], row["suggested"], f"{float(row['p_suggested']):.0%}", **media)
