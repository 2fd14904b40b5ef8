"""The report's chapters on the overview and the stages of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from flows.engine.drivers.record import FlowRecord, StageRecord
from flows.engine.graph.stage import Role
from flows.report.blocks import Badge, Bar, Block, Chapter, Note, Table, Tile, Tiles


def show_overview(record: FlowRecord) -> Chapter:
    """Return the ensemble's metrics, the gate's decision, and the errors of failed stages."""
    return Chapter("Overview", tuple(_list_overview(record)))


def show_stages(record: FlowRecord) -> Chapter:
    """Return how each stage ended, with time and memory."""
    counts = Counter(stage.result for stage in record.stages)
    summary = ", ".join(f"{count} {result}" for result, count in counts.items())
    took = sum(stage.seconds for stage in record.stages)
    note = f"{len(record.stages)} stages: {summary}. They took {format_duration(took)} in total in this run."
    longest = max((stage.cost.seconds for stage in record.stages if stage.cost), default=1.0)
    rows = [
        [stage.name, Badge(stage.result), f"{stage.seconds:.1f}", _format_cost(stage, longest), _format_peak(stage)]
        for stage in record.stages
    ]
    columns = ("stage", "result", "seconds in this run", "time when computed", "peak memory")
    return Chapter("Stages", (Table(columns, rows, figures=(2, 4)),), note)


def format_duration(seconds: float) -> str:
    """Return a duration with a suitable unit."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _list_overview(record: FlowRecord) -> Iterator[Block]:
    for stage in record.stages:
        if stage.error:
            yield Note(stage.error, title=f"{stage.name}:")
    if (folder := record.folder(Role.EVALUATION)) is not None:
        yield Tiles(_list_scores(json.loads((folder / "metrics.json").read_text())["ensemble"]))
    if record.decision:
        yield Note(record.decision, title="Registry:")
    elif any(stage.exports and stage.folder for stage in record.stages):
        yield Note(
            "no decision on this version is recorded here; `python -m flows models` lists all versions.",
            title="Registry:",
        )


def _list_scores(scores: dict[str, float]) -> list[Tile]:
    spread = f", ± {scores['accuracy_spread']:.1%} over {scores['folds']} folds" if scores["folds"] > 1 else ""
    return [
        Tile("accuracy", f"{scores['accuracy_mean']:.1%}", f"on {scores['examples']:,} test examples{spread}"),
        Tile("macro F1", f"{scores['macro_f1']:.3f}", "mean over classes"),
        Tile("log loss", f"{scores['log_loss']:.3f}", "nats"),
        Tile("calibration error", f"{scores['calibration_error']:.3f}", "0 is best"),
    ]


def _format_cost(stage: StageRecord, longest: float) -> Bar | str:
    if stage.cost is None:
        return ""
    return Bar(format_duration(stage.cost.seconds), stage.cost.seconds / longest)


def _format_peak(stage: StageRecord) -> str:
    return f"{stage.cost.peak_bytes / 1e9:.2f} GB" if stage.cost and stage.cost.peak_bytes else ""
