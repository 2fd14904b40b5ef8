"""`python -m flows status`, and what a run would compute: `python -m flows run FLOW --dry`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from flows.commands.tables import tell_time
from flows.engine.cache.status import State, Status, explain_stages
from flows.engine.console import print_table, say
from flows.engine.graph.dvc_yaml import trace_all, trace_flow
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.stage import Stage, choose_stages
from flows.engine.machine import read_versions
from flows.engine.project import ROOT
from flows.engine.tracking.ledger import Made, read_made

# Of why a stage is stale, in a table; JSON has all.
REASONS_SHOWN = 3


@dataclass(frozen=True)
class Row:
    """A stage's status, how it was computed last, and the libraries that have another version now."""

    status: Status
    made: Made | None
    moved: list[str]


def show_status(flow: str, *, as_json: bool) -> None:
    """Print every stage of a flow, or of all flows: fresh, stale or missing, since when, by which run, and why."""
    stages = trace_flow(flow) if flow else [stage for stages in trace_all().values() for stage in stages]
    rows = _describe(stages)
    if as_json:
        print_json(rows)
        return
    print_table(["stage", "", "since", "run", "why, or made with"], [_tell(row) for row in rows])
    counts = {state: sum(row.status.state is state for row in rows) for state in State}
    say(", ".join(f"{count} {state}" for state, count in counts.items()))


def show_plan(flow: str, *, preset: str, overrides: list[str], force: bool, stages: list[str]) -> None:
    """Print which stages a run would compute, why, and how long they took before; nothing is written."""
    traced = trace_flow(flow, read_changed(flow, preset=preset, overrides=overrides))
    rows = _describe(choose_stages(traced, stages))
    planned = [row for row in rows if force or row.status.state is not State.FRESH]
    print_table(
        ["stage", "", "seconds before", "why"],
        [
            [row.status.stage, row.status.state, _tell_seconds(row.made), "; ".join(row.status.reasons)]
            for row in planned
        ],
    )
    say(f"at most {len(planned)} of {len(rows)} stages would run{_tell_minutes(planned)}")


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


def _tell(row: Row) -> list[str]:
    made = row.made
    when, run = (tell_time(made.ended_ms), made.run) if made else ("", "")
    return [row.status.stage, row.status.state, when, run, _tell_why(row)]


def _tell_why(row: Row) -> str:
    reasons = row.status.reasons
    more = f"; and {len(reasons) - REASONS_SHOWN} more (--json lists all)" if len(reasons) > REASONS_SHOWN else ""
    if reasons:
        return "; ".join(reasons[:REASONS_SHOWN]) + more
    return f"made with {', '.join(row.moved)}" if row.moved else ""


def _tell_seconds(made: Made | None) -> str:
    return f"{made.seconds:.1f}" if made else "unknown"


def _tell_minutes(planned: Iterable[Row]) -> str:
    seconds = [row.made.seconds for row in planned if row.made]
    return f"; those that ran before took {sum(seconds) / 60:.1f} min" if seconds else ""
