"""With every preset, a flow passes the named inputs that its domain's lessons and exports expect."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from flows.engine.graph.dvc_yaml import load_pipeline
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.pipeline import Pipeline
from flows.engine.graph.stage import Stage
from flows.engine.project import ROOT, list_flows
from tasks.learning.export import export_ensemble
from tasks.learning.train import find_lr, fit

PIPELINES = {name: load_pipeline(name) for name in list_flows()}
PRESETS = sorted(path.stem for path in (ROOT / "params/presets").glob("*.yaml"))


def trace(pipeline: Pipeline, preset: str) -> list[Stage]:
    name = preset.removeprefix(f"{pipeline.name}-") if preset else ""
    return pipeline.trace(read_changed(pipeline.name, preset=name, overrides=[]))


def pick_inputs(stage: Stage) -> dict[str, Any]:
    """Return the arguments that the task takes as `**inputs`."""
    own = inspect.signature(stage.function).parameters
    return {name: value for name, value in stage.arguments.items() if name not in own}


def find_taker(stage: Stage) -> tuple[Callable[..., Any], int]:
    """Return the domain's function that the inputs are for, and how many arguments it is given before them."""
    if stage.function is export_ensemble:
        return import_module(stage.arguments["settings"].script).assemble, 2
    return import_module(stage.arguments["member"].lesson).prepare, 3


@pytest.mark.parametrize("preset", [*PIPELINES, *PRESETS])
def test_what_a_flow_passes_is_what_the_domain_takes(preset: str) -> None:
    pipeline = PIPELINES[preset.partition("-")[0]]
    stages = trace(pipeline, "" if preset in PIPELINES else preset)
    chosen = [stage for stage in stages if stage.function in (find_lr, fit, export_ensemble)]
    assert {stage.function for stage in chosen} == {find_lr, fit, export_ensemble}
    for stage in chosen:
        take, n_before = find_taker(stage)
        inspect.signature(take).bind(*range(n_before), **pick_inputs(stage))
