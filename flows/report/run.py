"""The report's chapters on the overview and the stages of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from flows.engine.drivers.record import FlowRecord, StageRecord
from flows.engine.graph.stage import Role
from flows.report.parts import Badge, Bar, Note, Part, Section, Table, Tile, Tiles


def tell_overview(record: FlowRecord) -> Section:
    """Return the ensemble's metrics, the gate's decision, and the errors of failed stages."""
    return Section("Overview", tuple(_list_overview(record)))


def tell_stages(record: FlowRecord) -> Section:
    """Return how each stage ended, with time and memory."""
    counts = Counter(stage.verdict for stage in record.stages)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    took = sum(stage.seconds for stage in record.stages)
    note = f"{len(record.stages)} stages: {told}. They took {tell_duration(took)} in total in this run."
    longest = max((stage.cost.seconds for stage in record.stages if stage.cost), default=1.0)
    rows = [
        [stage.name, Badge(stage.verdict), f"{stage.seconds:.1f}", _tell_cost(stage, longest), _tell_peak(stage)]
        for stage in record.stages
    ]
    columns = ("stage", "result", "seconds in this run", "time when computed", "peak memory")
    return Section("Stages", (Table(columns, rows, figures=(2, 4)),), note)


def tell_duration(seconds: float) -> str:
    """Return a duration with a suitable unit."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _list_overview(record: FlowRecord) -> Iterator[Part]:
    for stage in record.stages:
        if stage.error:
            yield Note(stage.error, title=f"{stage.name}:")
    if (folder := record.folder(Role.EVALUATION)) is not None:
        yield Tiles(_list_scores(json.loads((folder / "metrics.json").read_text())["ensemble"]))
    if record.verdict:
        yield Note(record.verdict, title="Registry:")
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


def _tell_cost(stage: StageRecord, longest: float) -> Bar | str:
    if stage.cost is None:
        return ""
    return Bar(tell_duration(stage.cost.seconds), stage.cost.seconds / longest)


def _tell_peak(stage: StageRecord) -> str:
    return f"{stage.cost.peak_bytes / 1e9:.2f} GB" if stage.cost and stage.cost.peak_bytes else ""
