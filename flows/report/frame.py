"""The chapters that the reports of all domains have in common."""

from __future__ import annotations

from flows.engine.drivers.record import FlowRecord
from flows.report.blocks import Chapter
from flows.report.data import show_data
from flows.report.load import show_load
from flows.report.page import render_page
from flows.report.run import show_overview, show_stages
from flows.report.scores import show_ensemble, show_scores


def render_run(record: FlowRecord, *, training: Chapter, examples: Chapter) -> str:
    """Return the report of a run as HTML, with the domain's chapters on training and examples."""
    chapters = [
        show_overview(record),
        show_stages(record),
        show_load(record),
        show_data(record),
        training,
        show_scores(record),
        show_ensemble(record),
        examples,
    ]
    return render_page(record, chapters)
