"""The report of a flow's run: what is known of the run, for the module that the flow names to make a page of it."""

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
from flows.engine.tracking.ledger import Cost, keep_cost, pick_samples, read_cost, read_verdict
from flows.engine.tracking.outbox import Event, OutgoingJournal

if TYPE_CHECKING:
    from flows.engine.drivers.run import Run

PAGE = "report.html"
# To register a model and to judge it takes MLflow some seconds; the page is made without that when it takes longer.
VERDICT_TIMEOUT_S = 60.0
POLL_S = 0.1


@dataclass(frozen=True)
class StageRecord:
    """What became of a stage: `name` is without its flow's, `folder` holds its output where that is fresh."""

    name: str
    role: Role | None
    function: Callable[..., None]
    exports: bool
    folder: Path | None
    verdict: str
    seconds: float
    learns: bool
    cost: Cost | None
    error: str = ""

    @property
    def label(self) -> str:
        """What tells it from others of its kind, such as `melnet-fold5`: its name but for the first word."""
        return self.name.partition("-")[2] or self.name


@dataclass(frozen=True)
class FlowRecord:
    """A run of a flow: how it ended, its stages in order, what it ran on, and what the registry said of its model."""

    flow: str
    status: str
    began_ms: int
    stages: list[StageRecord]
    about: dict[str, str]
    verdict: str

    def find(self, what: Role | Callable[..., None]) -> Iterator[tuple[StageRecord, Path]]:
        """Yield the stages that have a role, or call a task function, with their outputs, where these are fresh."""
        for stage in self.stages:
            if what in (stage.role, stage.function) and stage.folder is not None:
                yield stage, stage.folder

    def folder(self, what: Role | Callable[..., None]) -> Path | None:
        """Return the output of the one such stage; None where the flow has none, or it did not come to its end."""
        return next((folder for _, folder in self.find(what)), None)


def report_run(run: Run, journal: Journal, status: str) -> Path | None:
    """Write a run's report, keep it in MLflow and link it from Prefect.

    Returns where it lies, or None when that failed: what a run made counts more than its page.
    """
    try:
        record = _describe_run(run, journal, status)
        module: Any = importlib.import_module(run.reporter)
        page = make_state_folder("reports", record.flow) / PAGE
        write_whole({page: module.render_report(record)})
        journal.artifact(page)
        _tell_prefect(record, page, journal)
    except Exception as error:  # noqa: BLE001 - whatever ails the page, the run has ended well
        say(f"the report could not be made: {type(error).__name__}: {' '.join(str(error).split())}")
        return None
    return page


def _describe_run(run: Run, journal: Journal, status: str) -> FlowRecord:
    outgoing = OutgoingJournal(journal.folder)
    verdict = _await_verdict(run) if status == "FINISHED" else ""
    measured = [line.event for line in outgoing.read_samples()]
    return FlowRecord(
        flow=run.stages[0].flow,
        status=status.lower(),
        began_ms=outgoing.opening["time_ms"],
        stages=[_describe_stage(run, stage, measured) for stage in run.stages],
        about=outgoing.opening["tags"],
        verdict=verdict,
    )


def _describe_stage(run: Run, stage: Stage, measured: list[Event]) -> StageRecord:
    outcome, error = run.outcomes.get(stage.name), run.errors.get(stage.name)
    stopped = isinstance(error, StoppedError)
    return StageRecord(
        name=stage.name.removeprefix(f"{stage.flow}-"),
        role=stage.role,
        function=stage.function,
        exports=stage.look.model is not None,
        folder=ROOT / stage.artifact.path if outcome else None,
        verdict=outcome.verdict if outcome else "stopped" if stopped else "failed" if error else "not reached",
        seconds=run.seconds.get(stage.name, 0.0),
        learns=stage.learns,
        cost=_weigh(run, stage, outcome.output, measured) if outcome else None,
        error=strip_secrets(explain(error)) if error else "",
    )


def _weigh(run: Run, stage: Stage, output: str, measured: list[Event]) -> Cost | None:
    """Return what a stage cost: in this run, or in the one that computed it."""
    if (cost := run.costs.get(stage.name)) is None:
        return read_cost(ROOT, stage.name, output)
    ended_ms = cost.began_ms + round(cost.seconds * 1000)
    cost = replace(cost, samples=pick_samples(measured, cost.began_ms, ended_ms))
    keep_cost(ROOT, stage.name, output, cost)
    return cost


def _await_verdict(run: Run) -> str:
    """Return what the registry says of the flow's model, which it may be about to; nothing when that takes too long."""
    deadline = time.monotonic() + VERDICT_TIMEOUT_S
    for stage in run.stages:
        if not stage.look.model:
            continue
        output = run.outcomes[stage.name].output
        if stage.name in run.costs:
            say(f"waits for the verdict on the new version of {stage.flow}, {VERDICT_TIMEOUT_S:.0f} s at most")
        while not (verdict := read_verdict(ROOT, stage.name, output)) and stage.name in run.costs:
            if time.monotonic() > deadline or count_waiting(ROOT).why:
                break
            time.sleep(POLL_S)
        return verdict
    return ""


def _tell_prefect(record: FlowRecord, page: Path, journal: Journal) -> None:
    from prefect.artifacts import create_markdown_artifact

    rows = [f"| {stage.name} | {stage.verdict} | {stage.seconds:.1f} |" for stage in record.stages]
    lines = [
        f"# {record.flow}: {record.status}",
        "",
        f"The report: `{page}`" + _link_tracker(journal),
        "",
        record.verdict,
        "",
        "| stage | | seconds |",
        "|---|---|---:|",
        *rows,
    ]
    create_markdown_artifact(
        "\n".join(lines), key=f"{record.flow}-report", description=f"{record.flow} {record.status}"
    )


def _link_tracker(journal: Journal) -> str:
    """Return where MLflow shows the run, when its page is up and it has the run by now."""
    from flows.engine.servers.server import where

    run_id = OutgoingJournal(journal.folder).read_sent().run_id
    pages = [server.url for server in where(ROOT) if server.name == "mlflow"]
    return f", and [in MLflow]({pages[0]}/#/runs/{run_id})" if run_id and pages else ""
