"""Explains why DVC would compute a stage again: the definition, param or input that changed. Read-only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from flows.engine.cache.repository import OpenRepo, open_repo
from flows.engine.errors import EngineError
from flows.engine.graph.fingerprint import name_changes
from flows.engine.graph.stage import Stage

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

NAMES_SHOWN = 3


class State(StrEnum):
    """Whether the next run computes a stage again."""

    FRESH = "fresh"
    STALE = "stale"
    MISSING = "missing"
    ALTERED = "altered"


@dataclass(frozen=True)
class Status:
    """A stage's state, the reasons, and the recorded md5 of its output (empty if it was never computed).

    If only its output is missing or altered, the stage is restored from DVC's cache.
    """

    stage: str
    state: State
    reasons: list[str]
    output: str


def explain_stages(stages: list[Stage]) -> list[Status]:
    """Return the status of each stage, in the given order; a stage that depends on a stale one is stale too."""
    found: dict[str, Status] = {}
    with open_repo() as opened:
        for stage in stages:
            found[stage.name] = _explain(opened, stage, found)
    return list(found.values())


def _explain(opened: OpenRepo, stage: Stage, found: dict[str, Status]) -> Status:
    try:
        recorded = opened.load(stage.name)
    except EngineError:
        return Status(stage.name, State.MISSING, ["not in dvc.yaml yet"], "")
    (output,) = recorded.outs
    if not output.hash_info:
        return Status(stage.name, State.MISSING, ["never computed"], "")
    md5 = str(output.hash_info.value)
    if reasons := list(_list_reasons(opened, stage, recorded, found)):
        return Status(stage.name, State.STALE, reasons, md5)
    if output.status():
        state = State.ALTERED if output.exists else State.MISSING
        return Status(stage.name, state, [f"{output} is {state}: the next run restores it, or computes it"], md5)
    return Status(stage.name, State.FRESH, [], md5)


def _list_reasons(opened: OpenRepo, stage: Stage, recorded: PipelineStage, found: dict[str, Status]) -> Iterator[str]:
    from dvc.dependency.param import ParamsDependency

    if recorded.changed_stage() or recorded.cmd != stage.command:
        before, now = (_list_plain_values(text, stage) for text in (opened.read_command(stage.name), stage.command))
        yield f"the plain values changed: {before} -> {now}"
    makers = {artifact.path: artifact for artifact in stage.inputs}
    for dep in recorded.deps:
        if isinstance(dep, ParamsDependency):
            yield from _list_changed_params(stage, dep)
        elif str(dep) not in stage.deps:
            yield f"{dep} is no input any more"
        elif str(dep) == stage.code.path:
            yield from _list_changed_code(opened, stage, dep)
        elif (made := makers.get(str(dep))) and (maker := found.get(made.stage)):
            yield from _compare_with_maker(dep, maker, is_part=bool(made.file))
        elif dep.status():
            yield f"{dep} {'changed' if dep.exists else 'is missing'}"
    if missing := set(stage.deps) - {str(dep) for dep in recorded.deps}:
        yield f"new input: {', '.join(sorted(missing))}"


def _list_plain_values(command: str, stage: Stage) -> str:
    return command.partition(stage.name)[2].strip() or "none"


def _list_changed_params(stage: Stage, dep: Any) -> Iterator[str]:
    """Compare the current params with those in dvc.lock."""
    before = dict(flatten(dep.hash_info.value or {}))
    now = dict(flatten(stage.tracked))
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"{name} {_show(before, name)} -> {_show(now, name)}"


def _show(values: Mapping[str, Any], name: str) -> str:
    """Return a value for a message; an empty text would not be seen."""
    return "not set" if name not in values else str(values[name]) or '""'


def flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the plain values of nested mappings with their dotted keys."""
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _list_changed_code(opened: OpenRepo, stage: Stage, dep: Any) -> Iterator[str]:
    """Compare with the recorded fingerprint, which is in DVC's cache unless `gc` deleted it."""
    now = stage.code.make_fingerprint()
    if dep.hash_info and dep.hash_info.value == hashlib.md5(now.encode()).hexdigest():
        return
    before = opened.read_cached(str(dep.hash_info.value)) if dep.hash_info else None
    names = name_changes(before, now) if before else []
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    yield f"code changed: {', '.join(names[:NAMES_SHOWN])}{more}" if names else "its code changed"


def _compare_with_maker(dep: Any, maker: Status, *, is_part: bool) -> Iterator[str]:
    if maker.state is State.STALE or not maker.output:
        yield f"{maker.stage} is {maker.state}"
    elif dep.status() if is_part else not dep.hash_info or dep.hash_info.value != maker.output:
        yield f"{dep} changed: {maker.stage} was computed again"
