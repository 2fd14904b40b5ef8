"""The frame that the pages of all domains have."""

from __future__ import annotations

from flows.engine.drivers.record import FlowRecord
from flows.report.data import tell_data
from flows.report.load import tell_load
from flows.report.page import render_page
from flows.report.parts import Section
from flows.report.run import tell_overview, tell_stages
from flows.report.scores import tell_ensemble, tell_scores


def render_run(record: FlowRecord, *, learning: Section, examples: Section) -> str:
    """Return the page of a run, with what its domain tells of the learning and shows of the data."""
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
