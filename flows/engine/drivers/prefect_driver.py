"""The driver for Prefect: a flow's stages become task runs, which show DVC's verdict."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from flows.engine.cache.shared import send_all, stop_sending
from flows.engine.cache.store import Verdict
from flows.engine.console import print_results, say
from flows.engine.drivers.failure import notify_failure
from flows.engine.drivers.first import update_code
from flows.engine.drivers.record import write_report
from flows.engine.drivers.recorder import begin_flow_run, end_flow_run, read_metrics
from flows.engine.drivers.request import Request
from flows.engine.drivers.run import Run
from flows.engine.errors import EngineError, explain, is_fixable
from flows.engine.graph.dvc_yaml import load_pipeline, read_fingerprints, trace_flow, write_graph
from flows.engine.graph.overrides import apply_overrides, read_changed
from flows.engine.graph.stage import Stage, choose_stages, refuse_missing_files
from flows.engine.nodes.opening import open_pool
from flows.engine.nodes.pool import Pool
from flows.engine.project import ROOT
from flows.engine.redact import strip_secrets
from flows.engine.servers.team import MLFLOW, name_team_prefect
from flows.engine.stop import StoppedError
from flows.engine.tracking.journal import count_waiting
from flows.engine.tracking.outbox import take_messages

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture
    from prefect.states import State

CHECK_S = 0.5


def run_flows(flows: list[str], request: Request, *, force: bool) -> None:
    """Run flows in turn under the project's own Prefect server, or the team's, and print how each stage ended.

    Raises the error of the first stage that failed; stages of its flow that do not depend on it run all the same.
    """
    for flow in flows:
        load_pipeline(flow)  # an unknown flow is refused before anything is written
    # Read now, because `_use_server` sets these variables to the project's own servers.
    is_team = bool(name_team_prefect(ROOT) or os.environ.get(MLFLOW))
    for flow in flows:
        _run_flow(flow, request, force=force)
    if not is_team:
        say("to browse the runs: `mlflow ui`, or `make up` for the pages of both Prefect and MLflow")


def _run_flow(flow: str, request: Request, *, force: bool) -> None:
    # Unknown nodes or stages, or a path that does not exist, are refused before anything is written.
    pool = open_pool(request.on)
    params = read_changed(flow, preset=request.preset, overrides=request.overrides)
    refuse_missing_files(choose_stages(trace_flow(flow, params), request.stages))
    if request.preset or request.overrides:
        say(apply_overrides(flow, preset=request.preset, overrides=request.overrides))
    with ThreadPoolExecutor(1) as beside:
        server = beside.submit(_use_server)  # the server's first start takes many seconds
        run = prepare_run(flow, request, force=force, pool=pool)
        server.result()
    state = _run_under_prefect(flow, run)
    print_results(_list_results(run))
    if run.page is not None:
        say(f"report: {run.page.relative_to(ROOT)}")
    say(f"Prefect: {_find_page(state)}")
    if run.journal is not None and (waiting := count_waiting(ROOT)).why:
        say(str(waiting))
    for message in take_messages(ROOT):
        say(message)
    _raise_first(run, state)
    print_figures(run)


def _run_under_prefect(name: str, run: Run) -> Any:
    """Execute a prepared run as a Prefect flow run, and return its final state."""
    from prefect import flow

    made: Any = flow(name=name, validate_parameters=False, persist_result=False)(lambda: execute(run))
    return made(return_state=True)


def prepare_run(flow: str, request: Request, *, force: bool, pool: Pool | None = None) -> Run:
    """Trace a flow, choose the stages to run, and bring dvc.yaml up to date with the flow."""
    if write_graph():
        say("dvc.yaml did not match the flows and was rewritten")
    update_code()
    chosen = read_fingerprints(choose_stages(trace_flow(flow), request.stages))
    return Run(chosen, force, begin_flow_run(flow, chosen), request, load_pipeline(flow).reporter, pool=pool)


def execute(run: Run) -> State[Any] | None:
    """Run the stages as Prefect tasks in the current flow run; fresh stages end in the state Cached.

    At the end it writes the report and ends the MLflow run. Raises the error of the first stage that failed; stages
    that do not depend on a failed one run all the same. Ctrl-C and SIGTERM stop each stage at its next batch and cancel
    the run.
    """
    from prefect.runtime import flow_run
    from prefect.states import Cancelled

    run.name = f"flow run {flow_run.get_name()}"
    finished = False
    try:
        _run_stages(run)
        finished = not run.errors and not run.stop.asked
    finally:
        if run.pool is not None:
            run.pool.close()
        if run.journal is not None:
            ended = "FINISHED" if finished else "KILLED" if run.stop.asked else "FAILED"
            try:
                run.page = write_report(run, run.journal, ended) if run.reporter else None
            finally:
                end_flow_run(run.journal, run.stages, run.outcomes, ended)
        _send_results(run)
    if error := next((e for e in run.errors.values() if not isinstance(e, StoppedError)), None):
        notify_failure(run.failures[0])
        raise error
    return None if finished else Cancelled(message="stopped; the next run resumes it")


def _run_stages(run: Run) -> None:
    from prefect import Task
    from prefect.cache_policies import NO_CACHE
    from prefect.exceptions import TerminationSignal

    futures: dict[str, Any] = {}
    try:
        for stage in run.stages:
            do = _make_task_function(run, stage)
            made: Any = Task(do, name=stage.name, task_run_name=stage.name, cache_policy=NO_CACHE, persist_result=False)
            futures[stage.name] = made.submit(wait_for=[futures[a.stage] for a in stage.inputs])
        _wait(list(futures.values()))
    except (KeyboardInterrupt, TerminationSignal):
        say("stopping: each stage stops at its next batch")
        run.stop.ask()
        _wait(list(futures.values()))


def _wait(futures: Sequence[PrefectFuture[Any]]) -> None:
    """Wait for all, a short time at a time: Python notices some signals only when a wait of the main thread ends."""
    from prefect.futures import wait

    ended = threading.Semaphore(0)
    for future in futures:
        future.add_done_callback(lambda _: ended.release())
    for _ in futures:
        while not ended.acquire(timeout=CHECK_S):
            pass
    wait(list(futures))


def _send_results(run: Run) -> None:
    """Send what waits for DVC's remote; a stop leaves it to the next run."""
    from prefect.exceptions import TerminationSignal

    try:
        if not run.stop.asked:
            send_all()
    except (KeyboardInterrupt, TerminationSignal):
        run.stop.ask()
    if run.stop.asked:
        stop_sending()


def _make_task_function(run: Run, stage: Stage) -> Callable[[], State[Any]]:
    from prefect.logging import get_run_logger
    from prefect.states import Cancelled, Completed

    def do() -> State[Any]:
        try:
            verdict = run.do_stage(stage, get_run_logger().info)
        except StoppedError as error:
            return Cancelled(message=str(error))
        name = "Cached" if verdict is Verdict.CACHED else "Completed"
        return Completed(name=name, message=f"{stage.name} {verdict}")

    return do


def _use_server() -> None:
    """Make this process use the team's Prefect server, or the project's own, which is started if needed."""
    from flows.engine.servers.server import up, use_prefect
    from flows.engine.servers.team import use_team_prefect

    if use_team_prefect(ROOT) is None:
        use_prefect(ROOT, up(ROOT, ["prefect"])["prefect"].api_url)
    # Stages print their own progress, so Prefect's log lines go to its page only.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


def _find_page(state: Any) -> str:
    """Return the address of Prefect's page for the run that ended in `state`."""
    from prefect.utilities.urls import url_for

    return strip_secrets(str(url_for("flow-run", obj_id=state.state_details.flow_run_id)))


def _list_results(run: Run) -> list[tuple[str, str, float, str]]:
    def read_result(name: str) -> str:
        if name in run.errors:
            return "stopped" if isinstance(run.errors[name], StoppedError) else "failed"
        return run.outcomes[name].verdict if name in run.outcomes else "not reached"

    names = [stage.name for stage in run.stages]
    return [(name, read_result(name), run.seconds.get(name, 0.0), run.nodes.get(name, "")) for name in names]


def _raise_first(run: Run, state: Any) -> None:
    if state.is_cancelled():
        raise EngineError(state.message)
    if run.errors:
        name, error = next(iter(run.errors.items()))
        if not is_fixable(error):
            raise error
        raise EngineError(f"{name}: {explain(error)}") from error
    if not state.is_completed():
        raise EngineError(
            f"Prefect ended the flow run as {state.name}: {state.message}; `python -m flows doctor` checks the servers"
        )


def print_figures(run: Run) -> None:
    """Print the flow's metrics and the path of its model."""
    for stage in run.stages:
        for key, value in read_metrics(stage):
            if key.count(".") < 2:
                say(f"{key:>28}  {value:.4g}")
        if stage.published.model:
            say(f"model: {stage.artifact.path}/model.pt")
