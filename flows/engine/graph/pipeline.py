"""Makes stages of task functions, and lists of stages of flows by tracing their bodies."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from flows.engine.errors import EngineError
from flows.engine.graph.params import Params, dig, load_params
from flows.engine.graph.stage import ONCE, PLAIN, Artifact, Published, Role, Stage, as_list

# The arguments that the engine supplies to a task function that has parameters of these names.
SUPPLIED = ("out", "report", "checkpoints", "downloads")
# What a loader module must define: the command line, the try page and MLflow use it through these names.
ASKED = ("GIVEN", "read_given", "open_model", "_load_pyfunc")


@dataclass
class _Trace:
    flow: str
    params: Params
    stages: dict[str, Stage] = field(default_factory=dict)


_trace: ContextVar[_Trace | None] = ContextVar("trace", default=None)


def stage(
    function: Callable[..., None],
    name: str,
    *,
    role: Role | None = None,
    learns: bool = False,
    publish: Published | None = None,
) -> Callable[..., Artifact]:
    """Make a stage of a task function, to be called in a flow's body.

    `name` may contain `{parameter}` for each argument that distinguishes its runs; a section is replaced by the last
    part of its key, an artifact by its stage's or file's name. Other code finds it by its `role`, not by its name. A
    stage that `learns` has its own MLflow run, and a share of the machine of its own while it runs. A task's `**inputs`
    are arguments like any other. Raises EngineError when the function is not defined in its module under its own name,
    such as a lambda or a partial.
    """
    _check_function(function, name)
    signature = inspect.signature(function)

    def record(*args: Any, **kwargs: Any) -> Artifact:
        trace = _trace.get()
        if trace is None:
            raise EngineError(f"{name} is a stage: call it only in the body of a flow")
        arguments = _bind(signature, args, kwargs)
        labels = {key: _label(trace, name, key, value) for key, value in arguments.items()}
        full_name = f"{trace.flow}-{name.format(**labels)}"
        if full_name in trace.stages:
            raise EngineError(
                f"two calls make the stage {full_name!r}: add to its name an argument that distinguishes them, "
                f"such as {name + '-{parameter}'!r}"
            )
        published = publish or Published()
        made = Stage(full_name, trace.flow, function, arguments, trace.params, learns, published, role)
        trace.stages[full_name] = made
        return made.artifact

    return record


def _check_function(function: Callable[..., None], stage_name: str) -> None:
    module = sys.modules.get(getattr(function, "__module__", ""))
    if not inspect.isfunction(function) or getattr(module, function.__name__, None) is not function:
        raise EngineError(
            f"the stage {stage_name!r} is made of {function!r}: a task must be a function defined with `def` in a "
            "module, so that its code can be found; define one that calls this"
        )


def _bind(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name, without those that the engine supplies and those that are None."""
    inputs = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), "")
    supplied = dict.fromkeys(p for p in SUPPLIED if p in signature.parameters)
    bound = signature.bind(*args, **kwargs, **supplied).arguments
    bound |= bound.pop(inputs, {})
    return {key: value for key, value in bound.items() if key not in SUPPLIED and value is not None}


def _label(trace: _Trace, stage_name: str, argument: str, value: Any) -> Any:
    """Return an argument's part of a stage's name. Raises EngineError for a value that dvc.yaml cannot hold."""
    key = trace.params.key_of(value)
    if key is not None:
        return key.rpartition(".")[2]
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Artifact):
        return PurePath(value.file).stem or value.stage.removeprefix(f"{trace.flow}-")
    if as_list(value) and all(isinstance(item, Artifact) for item in as_list(value)):
        return argument
    raise EngineError(
        f"{trace.flow}-{stage_name}: {argument}={value!r} is neither an artifact of an earlier stage, nor a section "
        "of the params, nor a plain value: pass one of these"
    )


@dataclass(frozen=True)
class Pipeline:
    """A flow: its name, the type of its params, the body that is traced, and the module that makes its report."""

    name: str
    model: type[Params]
    body: Callable[[Any], Artifact]
    reporter: str = ""

    def trace(self, params: Params | None = None) -> list[Stage]:
        """Return the flow's stages in the order of their calls; nothing is run."""
        trace = _Trace(self.name, params or load_params(self.name, self.model))
        token = _trace.set(trace)
        try:
            self.body(trace.params)
        finally:
            _trace.reset(token)
        stages = list(trace.stages.values())
        if self.reporter or any(stage.published.model for stage in stages):
            _check_roles(self.name, stages)
        return stages


def _check_roles(flow: str, stages: list[Stage]) -> None:
    """Raise EngineError when a flow lacks a stage that its report or the registry reads."""
    for role in (*ONCE, Role.FIT):
        names = [stage.name for stage in stages if stage.role is role]
        if not names:
            raise EngineError(
                f"{flow}: no stage makes {role.value}, which the report and the registry read: "
                f"declare one with stage(..., role=Role.{role.name})"
            )
        if role in ONCE and len(names) > 1:
            raise EngineError(
                f"{flow}: both {' and '.join(names)} make {role.value}: remove role=Role.{role.name} from one of them"
            )
    exports = [stage for stage in stages if stage.published.model]
    if len(exports) != 1 or exports[0].published.model is None:
        raise EngineError(
            f"{flow} has {len(exports)} stages that export a model: declare exactly one with publish=register(...)"
        )
    loader, metric = exports[0].published.model.loader, exports[0].published.model.metric
    if dig(exports[0].params.model_dump(), metric) is None:
        raise EngineError(
            f"{flow}: the params have no {metric}, which must name the metric for the gate: "
            "add it, or correct register(...)"
        )
    if lacking := [name for name in ASKED if not hasattr(loader, name)]:
        raise EngineError(
            f"{loader.__name__} has no {', '.join(lacking)}, which a model's loader must have: define it there"
        )


def pipeline(name: str, model: type[Params], *, reporter: str = "") -> Callable[[Callable[[Any], Artifact]], Pipeline]:
    """Make a flow from a function whose body calls stages.

    `reporter` names the module that writes the report of each run (`engine/drivers/record.py`); it is imported after a
    run.
    """
    return lambda body: Pipeline(name, model, body, reporter)
