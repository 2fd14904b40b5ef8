"""The driver for Prefect: a flow's stages become task runs, which show DVC's verdict."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flows.engine.console import StageReport, print_results, say
from flows.engine.errors import EngineError, explain, is_mendable
from flows.engine.graph import check_stage, trace_flow, write_graph
from flows.engine.machine import set_quiet_environment
from flows.engine.outbox import take_told
from flows.engine.overrides import apply_overrides
from flows.engine.project import ROOT, STATE
from flows.engine.stage import Stage
from flows.engine.store import Outcome, Verdict, bring_up_to_date
from flows.engine.tracked import Recorder, begin_flow_run, end_flow_run, read_metrics
from flows.engine.tracking import Journal, start_sender, wait_sent
from flows.engine.work import do_work

if TYPE_CHECKING:
    from prefect import Flow

# The last figures are with MLflow within moments; an unreachable one must not hold up the command.
SEND_TIMEOUT_S = 30.0


@dataclass
class Run:
    """One run of a flow: what is to be made fresh, and what became of each stage."""

    stages: list[Stage]
    force: bool
    journal: Journal | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    def do_stage(self, stage: Stage, tell: Callable[[str], None]) -> Verdict:
        """Make one stage fresh and note what it took."""
        report = StageReport(stage.name, tell)
        try:
            with report, Recorder(stage, self.journal) as recorder:
                outcome = bring_up_to_date(
                    stage,
                    lambda: do_work(stage, recorder.listen(report)),
                    force=self.force,
                    on_wait=lambda: report.say("waits: another run computes it"),
                )
                recorder.record(outcome)
        except Exception as error:
            self.errors[stage.name] = error
            raise
        finally:
            self.seconds[stage.name] = report.seconds
        self.outcomes[stage.name] = outcome
        return outcome.verdict


def run_flow(flow: str, *, preset: str, overrides: list[str], force: bool, stages: list[str]) -> None:
    """Run a flow under the project's own Prefect server and print what became of each stage.

    Raises the first stage's error when one failed; stages that do not need it run all the same.
    """
    if preset or overrides:
        say(apply_overrides(flow, preset=preset, overrides=overrides))
    run = prepare_run(flow, force=force, stages=stages)
    sender = start_sender(ROOT) if run.journal else None
    _use_own_server()
    state: Any = make_flow(flow, run)(return_state=True)
    _end_run(run, state.is_completed())
    print_results(_list_results(run))
    if sender is not None and (waiting := wait_sent(ROOT, sender, timeout_s=SEND_TIMEOUT_S)).journals:
        say(str(waiting))
    for told in take_told(ROOT):
        say(told)
    _raise_first(run, state)
    print_figures(flow, run)


def prepare_run(flow: str, *, force: bool, stages: list[str]) -> Run:
    """Trace a flow, bring dvc.yaml up to date with it, and choose the stages to run."""
    if write_graph():
        say("dvc.yaml lagged behind the flows and was rewritten")
    check = check_stage()
    bring_up_to_date(check, lambda: do_work(check, StageReport(check.name)))
    chosen = choose_stages(trace_flow(flow), stages)
    return Run(chosen, force, begin_flow_run(flow, chosen))


def choose_stages(stages: list[Stage], names: list[str]) -> list[Stage]:
    """Return the stages named and all that they need, in order; all of them when none is named."""
    known = {stage.name: stage for stage in stages}
    if unknown := [name for name in names if name not in known]:
        raise EngineError(f"there is no stage {unknown[0]!r}; the stages are: {', '.join(known)}")
    wanted, waiting = set(), list(names or known)
    while waiting:
        if (name := waiting.pop()) not in wanted:
            wanted.add(name)
            waiting += [artifact.stage for artifact in known[name].inputs]
    return [stage for stage in stages if stage.name in wanted]


def make_flow(name: str, run: Run) -> Flow[..., Any]:
    """Return the Prefect flow of a run: a task run for each stage, in state Cached where it was fresh."""
    from prefect import Task, flow
    from prefect.cache_policies import NO_CACHE
    from prefect.futures import wait
    from prefect.logging import get_run_logger
    from prefect.states import Completed, State
    from prefect.task_runners import ThreadPoolTaskRunner

    stages = {stage.name: stage for stage in run.stages}

    def do(stage: str) -> State[Any]:
        verdict = run.do_stage(stages[stage], get_run_logger().info)
        return Completed(name="Cached" if verdict is Verdict.CACHED else "Completed", message=f"{stage} {verdict}")

    runner: Any = ThreadPoolTaskRunner()

    @flow(name=name, task_runner=runner, validate_parameters=False, persist_result=False)
    def run_stages() -> None:
        futures: dict[str, Any] = {}
        for stage in run.stages:
            made: Any = Task(do, name=stage.name, task_run_name=stage.name, cache_policy=NO_CACHE, persist_result=False)
            futures[stage.name] = made.submit(stage.name, wait_for=[futures[a.stage] for a in stage.inputs])
        wait(list(futures.values()))
        if run.errors:
            raise next(iter(run.errors.values()))

    return run_stages


def _use_own_server() -> None:
    """Start the project's Prefect server when it is not up, and have this process use it."""
    from flows.engine.server import up

    set_quiet_environment(os.environ)
    os.environ["PREFECT_HOME"] = str(STATE / "prefect")
    os.environ["PREFECT_API_URL"] = up(ROOT, ["prefect"])["prefect"].api_url
    # Stages tell their own progress; Prefect's lines still reach its page.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


def _end_run(run: Run, finished: bool) -> None:
    if run.journal is not None:
        end_flow_run(run.journal, run.stages, run.outcomes, "FINISHED" if finished else "FAILED")


def _list_results(run: Run) -> list[tuple[str, str, float]]:
    def verdict(name: str) -> str:
        if name in run.errors:
            return "failed"
        return run.outcomes[name].verdict if name in run.outcomes else "not reached"

    return [(stage.name, verdict(stage.name), run.seconds.get(stage.name, 0.0)) for stage in run.stages]


def _raise_first(run: Run, state: Any) -> None:
    if run.errors:
        name, error = next(iter(run.errors.items()))
        if not is_mendable(error):
            raise error
        raise EngineError(f"{name}: {explain(error)}") from error
    if not state.is_completed():
        raise EngineError(f"the flow ended as {state.name}: {state.message}")


def print_figures(flow: str, run: Run) -> None:
    """Print the flow's figures, where its model lies, and how to open the pages."""
    for stage in run.stages:
        for key, value in read_metrics(stage):
            if key.count(".") < 2:
                say(f"{key:>28}  {value:.4g}")
        if stage.look.model:
            say(f"model: {stage.artifact.path}/model.pt")
    say("to look at the runs: `mlflow ui` (MLflow), `make up` (both pages)")
