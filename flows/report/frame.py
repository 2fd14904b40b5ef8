"""The chapters that the reports of all domains have in common."""

from __future__ import annotations

from collections.abc import Iterable

from flows.engine.drivers.record import FlowRecord
from flows.report.blocks import Block, Chapter
from flows.report.data import show_data
from flows.report.load import show_load
from flows.report.page import render_page
from flows.report.run import show_overview, show_stages
from flows.report.scores import show_ensemble, show_scores


def render_run(record: FlowRecord, *, training: Chapter, examples: Chapter, data: Iterable[Block] = ()) -> str:
    """Return the report of a run as HTML, with the domain's chapters on training and examples.

    `data` is what the domain adds to the chapter on the data.
    """
    chapters = [
        show_overview(record),
        show_stages(record),
        show_load(record),
        show_data(record, data),
        training,
        show_scores(record),
        show_ensemble(record),
        examples,
    ]
    return render_page(record, chapters)
