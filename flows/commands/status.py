"""`python -m flows status`, and what a run would compute: `python -m flows run FLOW --dry`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from flows.commands.tables import format_time
from flows.engine.cache.status import State, Status, explain_stages
from flows.engine.console import print_table, say
from flows.engine.graph.dvc_yaml import trace_all, trace_flow
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.stage import Stage, choose_stages, refuse_missing_files
from flows.engine.machine import read_versions
from flows.engine.project import ROOT
from flows.engine.tracking.ledger import Made, read_made

# The number of reasons that the table shows for a stage; JSON has all of them.
REASONS_SHOWN = 3


@dataclass(frozen=True)
class Row:
    """A stage's status, how it was last computed, and the libraries whose version has changed since."""

    status: Status
    made: Made | None
    moved: list[str]


def show_status(flow: str, *, as_json: bool) -> None:
    """Print the status of every stage of a flow, or of all, and why; when it was computed, and by which run."""
    stages = trace_flow(flow) if flow else [stage for stages in trace_all().values() for stage in stages]
    rows = _describe(stages)
    if as_json:
        print_json(rows)
        return
    columns = ["stage", "status", "computed", "by", "why, or versions that changed since"]
    print_table(columns, [_list_cells(row) for row in rows])
    counts = {state: sum(row.status.state is state for row in rows) for state in State}
    say(", ".join(f"{count} {state}" for state, count in counts.items()))


def show_plan(flow: str, *, preset: str, overrides: list[str], force: bool, stages: list[str]) -> None:
    """Print which stages a run would compute, why, and how long they took before. Read-only.

    Raises EngineError, as the run does, when a file that the params name does not exist.
    """
    traced = trace_flow(flow, read_changed(flow, preset=preset, overrides=overrides))
    chosen = choose_stages(traced, stages)
    refuse_missing_files(chosen)
    rows = _describe(chosen)
    planned = [row for row in rows if force or row.status.state is not State.FRESH]
    columns = ["stage", "status", "seconds last time", "why"]
    whys = ["--force" if force else _format_reasons(row) for row in planned]
    print_table(
        columns, [[*_name(row), _format_seconds(row.made), why] for row, why in zip(planned, whys, strict=True)]
    )
    say(f"at most {len(planned)} of {len(rows)} stages would run{_format_minutes(planned)}")


def print_json(rows: Sequence[Row]) -> None:
    """Print rows as one JSON list."""
    flat = [{**asdict(row.status), "made": asdict(row.made) if row.made else None, "moved": row.moved} for row in rows]
    print(json.dumps(flat, indent=2))  # noqa: T201


def _describe(stages: list[Stage]) -> list[Row]:
    now = read_versions()
    rows = []
    for status in explain_stages(stages):
        made = read_made(ROOT, status.stage)
        rows.append(Row(status, made, made.list_moved(now) if made else []))
    return rows


def _name(row: Row) -> tuple[str, str]:
    return row.status.stage, row.status.state


def _list_cells(row: Row) -> list[str]:
    made = row.made
    when, run = (format_time(made.ended_ms), made.run) if made else ("", "")
    return [*_name(row), when, run, _format_reasons(row, more=" (--json lists all)")]


def _format_reasons(row: Row, more: str = "") -> str:
    reasons = row.status.reasons
    rest = f"; and {len(reasons) - REASONS_SHOWN} more{more}" if len(reasons) > REASONS_SHOWN else ""
    if reasons:
        return "; ".join(reasons[:REASONS_SHOWN]) + rest
    return f"made with {', '.join(row.moved)}" if row.moved else ""


def _format_seconds(made: Made | None) -> str:
    return f"{made.seconds:.1f}" if made else "unknown"


def _format_minutes(planned: Iterable[Row]) -> str:
    seconds = [row.made.seconds for row in planned if row.made]
    return f"; {len(seconds)} of them took {sum(seconds) / 60:.1f} min last time" if seconds else ""
