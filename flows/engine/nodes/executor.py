"""Where a stage is computed: on this machine, or on a node (`pool.py`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.engine.cache.store import Delivery, Wanted
from flows.engine.compute.job import Usage
from flows.engine.compute.messages import StageReport
from flows.engine.compute.process import run_stage
from flows.engine.graph.stage import Stage


@dataclass(frozen=True)
class Computed:
    """The cost of a stage, None where a node found its result instead; the result, None if it is in place already."""

    usage: Usage | None
    delivery: Delivery | None = None


Executor = Callable[[Stage, StageReport, Wanted], Computed]


def compute_here(stage: Stage, report: StageReport, wanted: Wanted) -> Computed:
    """Compute a stage in a process of this machine."""
    return Computed(run_stage(stage, report))
