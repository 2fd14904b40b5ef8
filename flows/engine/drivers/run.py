"""One run of a flow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flows.engine.cache.store import Outcome, Verdict, Work, bring_up_to_date
from flows.engine.console import ConsoleReport
from flows.engine.drivers.failure import Failure
from flows.engine.drivers.recorder import Recorder
from flows.engine.drivers.request import Request
from flows.engine.graph.stage import Stage
from flows.engine.nodes.executor import compute_here
from flows.engine.nodes.pool import Pool
from flows.engine.stop import Stop, StoppedError
from flows.engine.tracking.journal import Journal
from flows.engine.tracking.ledger import Cost
from flows.engine.tracking.outbox import Event


@dataclass
class Run:
    """One run of a flow: its stages, and how each of them ended."""

    stages: list[Stage]
    force: bool
    journal: Journal | None = None
    request: Request = field(default_factory=Request)
    reporter: str = ""
    name: str = ""
    page: Path | None = None
    pool: Pool | None = None
    stop: Stop = field(default_factory=Stop)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)
    loads: dict[str, list[Event]] = field(default_factory=dict)  # samples of the nodes that computed the stages
    costs: dict[str, Cost] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)  # stages whose models go to the gate
    errors: dict[str, Exception] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def do_stage(self, stage: Stage, log: Callable[[str], None]) -> Verdict:
        """Make one stage fresh and note its verdict, time and memory."""
        report = ConsoleReport(stage.name, log, self.stop)
        try:
            with report, self._record(stage) as recorder:
                work = Work(
                    lambda wanted: recorder.compute(report, wanted),
                    on_wait=lambda: report.say("waiting: another run computes this stage"),
                    check=report.check,
                    force=self.force,
                )
                outcome = bring_up_to_date(stage, work)
                recorder.record(outcome)
                if recorder.registers:
                    self.registered.add(stage.name)
        except Exception as error:
            self.errors[stage.name] = error
            if not isinstance(error, StoppedError):
                self.failures.append(Failure.of(stage.name, error, report.said, flow=stage.flow, request=self.request))
            raise
        finally:
            self.seconds[stage.name] = report.seconds
            self.nodes[stage.name] = report.node
            self.loads[stage.name] = list(report.loads)
        if outcome.verdict is Verdict.RAN and recorder.usage is not None:
            began_ms = round(time.time() * 1000 - report.seconds * 1000)
            peak_bytes = recorder.usage.peak_bytes
            self.costs[stage.name] = Cost(report.seconds, began_ms, peak_bytes=peak_bytes, epochs=report.figures)
        self.outcomes[stage.name] = outcome
        return outcome.verdict

    def _record(self, stage: Stage) -> Recorder:
        executor = self.pool.compute if self.pool else compute_here
        return Recorder(stage, self.journal, run=self.name, executor=executor)
