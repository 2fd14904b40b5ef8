"""The Prefect flows of deployments: one flow, or several in turn, always from the committed params.

A run's overrides are its Prefect parameters, so they do not affect the next deployed run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flows.engine.console import say
from flows.engine.drivers.failure import Failure, notify_failure
from flows.engine.drivers.prefect_driver import execute, prepare_run
from flows.engine.drivers.request import Request
from flows.engine.errors import EngineError, explain
from flows.engine.graph.overrides import start_from_committed
from flows.engine.graph.pipeline import Pipeline
from flows.engine.nodes.opening import ON, open_pool

if TYPE_CHECKING:
    from prefect import Flow


def make_flow(pipeline: Pipeline) -> Flow[..., Any]:
    """Return the Prefect flow of one of the project's flows."""
    from prefect import flow

    name = pipeline.name

    def run(preset: str = "", overrides: list[str] = [], force: bool = False, stages: list[str] = []) -> Any:  # noqa: B006
        """Run a flow from its committed params.

        Args:
            preset: apply params/presets/FLOW-NAME.yaml to the committed params
            overrides: a list of section.key=value
            force: compute all stages, also fresh ones
            stages: run only these stages and those that they need; default: all stages
        """
        request = Request(preset, overrides, stages, os.environ.get(ON, ""))
        try:
            pool = open_pool(request.on)
            say(start_from_committed(name, preset=preset, overrides=overrides))
            prepared = prepare_run(name, request, force=force, pool=pool)
        except Exception as error:
            notify_failure(Failure.of(name, error, [], flow=name, request=request))
            raise
        return execute(prepared)

    return flow(name=name, description=pipeline.body.__doc__ or "", persist_result=False)(run)


def make_chain(name: str, pipelines: Sequence[Pipeline]) -> Flow[..., Any]:
    """Return the Prefect flow that runs several flows in turn; when one fails, the next one runs all the same."""
    from prefect import flow
    from prefect.states import Cancelled

    known = [pipeline.name for pipeline in pipelines]

    def run(preset: str = "", overrides: list[str] = [], force: bool = False, stages: list[str] = []) -> Any:  # noqa: B006
        """Run the flows one after the other, each from its committed params.

        Args:
            preset: FLOW-NAME: apply params/presets/FLOW-NAME.yaml, for that flow only
            overrides: a list of FLOW.section.key=value
            force: compute all stages, also fresh ones
            stages: run only these stages and those that they need, and only their flows; default: everything
        """
        requests = share_out(known, preset=preset, overrides=overrides, stages=stages)
        failures = []
        for pipeline in pipelines:
            if stages and not requests[pipeline.name].stages:
                continue
            made: Any = make_flow(pipeline)
            asked = requests[pipeline.name]
            state = made(asked.preset, asked.overrides, force, asked.stages, return_state=True)
            if state.is_cancelled():
                return Cancelled(message=f"{pipeline.name}: {state.message}")
            if not state.is_completed():
                failures.append(f"{pipeline.name}: {_read_fault(state)}")
        if failures:
            raise EngineError("; ".join(failures))
        return None

    return flow(name=name, description=f"Run {', '.join(known)} one after the other.", persist_result=False)(run)


def share_out(known: list[str], *, preset: str, overrides: list[str], stages: list[str]) -> dict[str, Request]:
    """Return the request for each flow. Raises EngineError for a value that does not begin with a flow's name."""
    requests = {name: Request() for name in known}
    if preset:
        flow, named = _split_flow(known, "preset", preset, "-")
        requests[flow].preset = named
    for override in overrides:
        flow, rest = _split_flow(known, "override", override, ".")
        requests[flow].overrides.append(rest)
    for stage in stages:
        requests[_split_flow(known, "stage", stage, "-")[0]].stages.append(stage)
    return requests


def _split_flow(known: list[str], what: str, value: str, mark: str) -> tuple[str, str]:
    flow, found, rest = value.partition(mark)
    if not found or flow not in known:
        begins = ", ".join(f"{name}{mark}" for name in known)
        raise EngineError(f"the {what} {value!r} names no flow: begin it with one of {begins}")
    return flow, rest


def _read_fault(state: Any) -> str:
    error = state.data if isinstance(state.data, BaseException) else None
    return explain(error) if error else f"{state.name}, {state.message}"
