"""The chapters that the reports of all domains have in common."""

from __future__ import annotations

from flows.engine.drivers.record import FlowRecord
from flows.report.data import tell_data
from flows.report.load import tell_load
from flows.report.page import render_page
from flows.report.parts import Section
from flows.report.run import tell_overview, tell_stages
from flows.report.scores import tell_ensemble, tell_scores


def render_run(record: FlowRecord, *, learning: Section, examples: Section) -> str:
    """Return the report of a run as HTML, with the domain's chapters on training and examples."""
    sections = [
        tell_overview(record),
        tell_stages(record),
        tell_load(record),
        tell_data(record),
        learning,
        tell_scores(record),
        tell_ensemble(record),
        examples,
    ]
    return render_page(record, sections)
