"""The record of a flow's run, from which the module that the flow names makes the report page."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.console import say
from flows.engine.errors import explain
from flows.engine.files import write_whole
from flows.engine.graph.stage import Role, Stage
from flows.engine.project import ROOT, make_state_folder
from flows.engine.redact import strip_secrets
from flows.engine.stop import StoppedError
from flows.engine.tracking.journal import Journal, count_waiting
from flows.engine.tracking.ledger import Cost, keep_cost, pick_samples, read_cost, read_decision
from flows.engine.tracking.outbox import Event, OutgoingJournal

if TYPE_CHECKING:
    from flows.engine.drivers.run import Run

PAGE = "report.html"
# MLflow takes some seconds to register and compare a model; after this time the report is made without the decision.
DECISION_TIMEOUT_S = 60.0
POLL_S = 0.1


@dataclass(frozen=True)
class StageRecord:
    """How a stage ended: `name` is without the flow's name; `folder` is its output, None unless it is fresh."""

    name: str
    role: Role | None
    function: Callable[..., None]
    exports: bool
    folder: Path | None
    result: str
    seconds: float
    learns: bool
    cost: Cost | None
    error: str = ""

    @property
    def label(self) -> str:
        """The stage's name without its first word, such as `melnet-fold5`."""
        return self.name.partition("-")[2] or self.name


@dataclass(frozen=True)
class FlowRecord:
    """A run of a flow: its status, its stages in order, its environment, and the gate's decision on its model."""

    flow: str
    status: str
    began_ms: int
    stages: list[StageRecord]
    about: dict[str, str]
    decision: str

    def find(self, what: Role | Callable[..., None]) -> Iterator[tuple[StageRecord, Path]]:
        """Yield the fresh stages that have a role, or call a task function, with their outputs."""
        for stage in self.stages:
            if what in (stage.role, stage.function) and stage.folder is not None:
                yield stage, stage.folder

    def folder(self, what: Role | Callable[..., None]) -> Path | None:
        """Return the output of the only such stage; None where the flow has none, or it was not computed."""
        return next((folder for _, folder in self.find(what)), None)


def write_report(run: Run, journal: Journal, status: str) -> Path | None:
    """Write a run's report, keep it in MLflow and link it from Prefect.

    Returns its path, or None when the report failed, which never fails the run.
    """
    try:
        record = _describe_run(run, journal, status)
        module: Any = importlib.import_module(run.reporter)
        page = make_state_folder("reports", record.flow) / PAGE
        write_whole({page: module.render_report(record)})
        journal.artifact(page)
        _write_artifact(record, page, journal)
    except Exception as error:  # noqa: BLE001 - a faulty report must not fail the run
        say(f"the report could not be written: {type(error).__name__}: {' '.join(str(error).split())}")
        return None
    return page


def _describe_run(run: Run, journal: Journal, status: str) -> FlowRecord:
    outgoing = OutgoingJournal(journal.folder)
    decision = _await_decision(run) if status == "FINISHED" else ""
    measured = [line.event for line in outgoing.read_samples()]
    return FlowRecord(
        flow=run.stages[0].flow,
        status=status.lower(),
        began_ms=outgoing.opening["time_ms"],
        stages=[_describe_stage(run, stage, measured) for stage in run.stages],
        about=outgoing.opening["tags"],
        decision=decision,
    )


def _describe_stage(run: Run, stage: Stage, measured: list[Event]) -> StageRecord:
    outcome, error = run.outcomes.get(stage.name), run.errors.get(stage.name)
    stopped = isinstance(error, StoppedError)
    return StageRecord(
        name=stage.name.removeprefix(f"{stage.flow}-"),
        role=stage.role,
        function=stage.function,
        exports=stage.published.model is not None,
        folder=ROOT / stage.artifact.path if outcome else None,
        result=outcome.verdict if outcome else "stopped" if stopped else "failed" if error else "not reached",
        seconds=run.seconds.get(stage.name, 0.0),
        learns=stage.learns,
        cost=_weigh(run, stage, outcome.output, measured) if outcome else None,
        error=strip_secrets(explain(error)) if error else "",
    )


def _weigh(run: Run, stage: Stage, output: str, measured: list[Event]) -> Cost | None:
    """Return a stage's cost in this run, or in the run that computed it."""
    if (cost := run.costs.get(stage.name)) is None:
        return read_cost(ROOT, stage.name, output)
    ended_ms = cost.began_ms + round(cost.seconds * 1000)
    events = run.loads[stage.name] if run.nodes.get(stage.name) else measured
    cost = replace(cost, samples=pick_samples(events, cost.began_ms, ended_ms))
    keep_cost(ROOT, stage.name, output, cost)
    return cost


def _await_decision(run: Run) -> str:
    """Return the gate's decision on the flow's model; wait for it if the model is new; empty after the time-out."""
    deadline = time.monotonic() + DECISION_TIMEOUT_S
    for stage in run.stages:
        if not stage.published.model:
            continue
        output = run.outcomes[stage.name].output
        if stage.name in run.registered:
            say(f"waiting up to {DECISION_TIMEOUT_S:.0f} s for the gate's decision on the new version of {stage.flow}")
        while not (decision := read_decision(ROOT, stage.name, output)) and stage.name in run.registered:
            if time.monotonic() > deadline or count_waiting(ROOT).why:
                break
            time.sleep(POLL_S)
        return decision
    return ""


def _write_artifact(record: FlowRecord, page: Path, journal: Journal) -> None:
    from prefect.artifacts import create_markdown_artifact

    rows = [f"| {stage.name} | {stage.result} | {stage.seconds:.1f} |" for stage in record.stages]
    lines = [
        f"# {record.flow}: {record.status}",
        "",
        f"Report: `{page}`" + _link_tracker(journal),
        "",
        record.decision,
        "",
        "| stage | result | seconds |",
        "|---|---|---:|",
        *rows,
    ]
    create_markdown_artifact(
        "\n".join(lines), key=f"{record.flow}-report", description=f"{record.flow} {record.status}"
    )


def _link_tracker(journal: Journal) -> str:
    """Return a link to MLflow's page of the run, if its server is running and has received the run."""
    from flows.engine.servers.server import where

    run_id = OutgoingJournal(journal.folder).read_sent().run_id
    pages = [server.url for server in where(ROOT) if server.name == "mlflow"]
    return f", [MLflow's page of the run]({pages[0]}/#/runs/{run_id})" if run_id and pages else ""
