"""Records flows, and stages that learn, as MLflow runs."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from flows.engine.cache.store import Delivery, Outcome, Verdict, Wanted, read_recorded
from flows.engine.compute.job import Usage
from flows.engine.console import ConsoleReport, say
from flows.engine.graph.dvc_yaml import load_pipeline
from flows.engine.graph.params import dig
from flows.engine.graph.stage import TEST_DATA, Registered, Role, Stage
from flows.engine.machine import explain_refusal, read_versions
from flows.engine.nodes.executor import Executor
from flows.engine.project import ORIGIN, ROOT
from flows.engine.stop import StoppedError
from flows.engine.tags import DATA_MD5, INPUT_MD5, METRIC, OUTPUT_MD5, OUTPUT_OF, STAGE
from flows.engine.tracking.journal import Journal, NewVersion, start_sender
from flows.engine.tracking.ledger import Made, keep_made, read_decision

# One of the machine's metrics, which comparisons of runs leave out.
PEAK = "system/stage_peak_memory_megabytes"
# The artifact of a flow's run that holds dvc.lock as it was at the run's end.
LOCK = "pipeline/dvc.lock"
# The predictions of the test data, a file in the output of the stage with the role PREDICTIONS.
TABLE = "test.csv"


class Recorder:
    """The MLflow run of one stage that learns. It begins with the stage's work, so a cached stage makes no run."""

    def __init__(self, stage: Stage, parent: Journal | None = None, *, run: str, executor: Executor) -> None:
        """`run` is the name of the run that may compute the stage, for `python -m flows status`."""
        self._executor = executor
        self._stage = stage
        self._parent = parent
        self._run = run
        self._journal: Journal | None = None
        self.registers = False
        self.usage: Usage | None = None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._journal is not None:
            by_hand = kind is not None and (issubclass(kind, StoppedError) or not issubclass(kind, Exception))
            self._journal.end("KILLED" if by_hand else "FAILED" if kind else "FINISHED")

    def compute(self, report: ConsoleReport, wanted: Wanted) -> Delivery | None:
        """Compute the stage; if it learns, its metrics and its peak memory are sent to MLflow too."""
        listener = TrackedReport(report, self) if self._stage.learns else report
        computed = self._executor(self._stage, listener, wanted)
        self.usage = usage = computed.usage
        if usage is not None:
            made = Made(
                round(time.time() * 1000), self._run, round(usage.seconds, 3), usage.peak_bytes, read_versions()
            )
            keep_made(ROOT, self._stage.name, made)
            if self._journal is not None:
                self._journal.metrics({PEAK: usage.peak_bytes / 1e6}, step=0)
        return computed.delivery

    def begin_run(self, machine: Mapping[str, str]) -> Journal:
        """Begin the MLflow run unless it has begun; `machine` are tags of another machine that computes the stage."""
        if self._journal is None:
            self._journal = Journal.begin(
                ORIGIN,
                name=self._stage.name,
                experiment=self._stage.flow,
                parent=self._parent,
                tags={STAGE: self._stage.name, **machine},
                params=dict(flatten(self._stage.values)),
            )
            start_sender(ORIGIN)
        return self._journal

    def record(self, outcome: Outcome) -> None:
        """Record the stage's output in its MLflow run; for a cached stage, link the run that made it.

        A model is registered unless that was done in this checkout: also one whose export was computed elsewhere.
        """
        tags = {STAGE: self._stage.name, OUTPUT_MD5: outcome.output}
        if (journal := self._journal or self._parent) and (model := self._stage.published.model):
            was_computed = outcome.verdict is Verdict.RAN
            self.registers = was_computed or not read_decision(ROOT, self._stage.name, outcome.output)
            if self.registers:
                metric = {METRIC: str(dig(self._stage.params.model_dump(), model.metric))}
                journal.model(self._describe_version(model), tags | self._list_data() | metric)
        if self._journal is None:
            if self._parent is not None and self._stage.learns:
                self._parent.link(self._stage.name, tags)
            return
        self._journal.tags(tags | {f"{INPUT_MD5}{path}": md5 for path, md5 in outcome.inputs.items()})
        out = ROOT / self._stage.artifact.path
        self._journal.artifact(out)
        self._journal.metrics(dict(read_metrics(self._stage)), step=0)

    def _describe_version(self, model: Registered) -> NewVersion:
        return NewVersion(
            name=self._stage.flow,
            exported=ROOT / self._stage.artifact.path,
            loader=model.loader.__name__,
            predictions=ROOT / self._find(Role.PREDICTIONS).artifact.path / TABLE,
            judge=model.judge.__name__,
        )

    def _find(self, role: Role) -> Stage:
        stages = load_pipeline(self._stage.flow).trace(self._stage.params)
        return next(stage for stage in stages if stage.role is role)

    def _list_data(self) -> dict[str, str]:
        """Return the md5 of the test data as tags, so that only models with the same test data are compared."""
        names = [self._find(role).name for role in TEST_DATA]
        return {f"{DATA_MD5}{name}": md5 for name, md5 in read_recorded(names).items()}


class TrackedReport:
    """A stage report that is both shown to the user and sent to MLflow."""

    def __init__(self, report: ConsoleReport, recorder: Recorder) -> None:
        self._report = report
        self._recorder = recorder
        self._loads = itertools.count()

    def begin(self, machine: Mapping[str, str]) -> None:
        """Begin the MLflow run; note that the work begins, after any waiting."""
        self._journal = self._recorder.begin_run(machine)
        self._report.begin(machine)

    def check(self, *, grace_s: float = 0.0) -> None:
        """Raise when the stage should have ended `grace_s` ago."""
        self._report.check(grace_s=grace_s)

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        """Show the progress."""
        self._report.progress(done, total, unit, **figures)

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Keep the metrics of one step."""
        self._report.metrics(figures, step)
        self._journal.metrics(figures, step)

    def load(self, figures: Mapping[str, float]) -> None:
        """Keep one sample of the load of the node that computes the stage."""
        self._report.load(figures)
        self._journal.metrics(figures, next(self._loads))

    def say(self, text: str) -> None:
        """Print one line for the user."""
        self._report.say(text)


def begin_flow_run(flow: str, stages: list[Stage]) -> Journal | None:
    """Begin the parent run of a flow, with all params and the files that define it.

    Returns None for a flow in which no stage learns.
    """
    if not any(stage.learns for stage in stages):
        return None
    if refusal := explain_refusal(ROOT):
        say(f"the runs' commit is unknown: {refusal}")
    params = stages[0].params.model_dump()
    journal = Journal.begin(ROOT, name=flow, experiment=flow, params=dict(flatten(params)))
    start_sender(ROOT)
    for name in ("dvc.yaml", "params"):
        journal.artifact(ROOT / name, "pipeline" if (ROOT / name).is_file() else "pipeline/params")
    return journal


def end_flow_run(journal: Journal, stages: list[Stage], outcomes: Mapping[str, Outcome], status: Any) -> None:
    """Record the flow's metrics, the md5 of its outputs and of the files that its params name, and end its run."""
    journal.tags({f"{OUTPUT_OF}{name}": outcome.output for name, outcome in outcomes.items()})
    given = [(path, outcomes[stage.name]) for stage in stages if stage.name in outcomes for path in stage.files]
    journal.tags({f"{INPUT_MD5}{path}": outcome.inputs[path] for path, outcome in given})
    for stage in stages:
        if stage.name in outcomes:
            journal.metrics(dict(read_metrics(stage)), step=0)
    lock = Path(LOCK)
    if (ROOT / lock.name).exists():
        journal.artifact(ROOT / lock.name, str(lock.parent))
    journal.end(status)


def read_metrics(stage: Stage) -> Iterator[tuple[str, float]]:
    """Yield the numbers in a stage's metrics files; nested keys are joined by dots."""
    for name in stage.published.metrics:
        path = ROOT / stage.artifact.path / name
        for key, value in flatten(json.loads(path.read_text(encoding="utf-8"))):
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield key, value


def flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested values with their keys joined by dots; a list is one value, as JSON."""
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield (
                f"{prefix}{key}",
                value if isinstance(value, str | int | float | bool) else json.dumps(value),
            )
