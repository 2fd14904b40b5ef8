"""The graph of all flows: tracing it, and writing it to `dvc.yaml`."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from flows.engine.errors import EngineError
from flows.engine.files import write_whole
from flows.engine.graph.fingerprint import FOLDER
from flows.engine.graph.params import Params, params_file
from flows.engine.graph.pipeline import Pipeline
from flows.engine.graph.stage import Artifact, Published, Registered, Stage, suggest_stages
from flows.engine.names import suggest_names
from flows.engine.project import ROOT, list_flows

HEADER = "# Generated from flows/*.py by `python -m flows graph --write`: edit those files, not this one.\n"
CHECK = "code"


def load_pipeline(name: str) -> Pipeline:
    """Import a flow's module and return its pipeline. Raises EngineError when there is no such flow."""
    if name not in list_flows():
        known = suggest_names(name, list_flows(), listed_as="the flows are", more="each file in params/ is one's")
        raise EngineError(f"there is no flow {name!r}; {known}")
    found = getattr(importlib.import_module(f"flows.{name}"), name, None)
    if not isinstance(found, Pipeline):
        raise EngineError(f"flows/{name}.py must define `{name}` with @pipeline({name!r}, ...)")
    return found


def trace_flow(name: str, params: Params | None = None) -> list[Stage]:
    """Return a flow's stages, in order."""
    return load_pipeline(name).trace(params)


def read_fingerprints(stages: list[Stage]) -> list[Stage]:
    """Return stages with the fingerprints of their code that were last written."""
    return [replace(stage, fingerprint=stage.code.read_fingerprint()) if stage.flow else stage for stage in stages]


def trace_all(given: Mapping[str, Params] | None = None) -> dict[str, list[Stage]]:
    """Return the stages of all flows, by flow name; `params` replaces the params files of some flows."""
    return {name: trace_flow(name, (given or {}).get(name)) for name in list_flows()}


def check_stage() -> Stage:
    """Return the first stage, which fails under `dvc repro` when dvc.yaml does not match the flows.

    Its output holds the fingerprints of all stages' code. So a change of a flow or a task runs this stage, and then the
    stages whose fingerprint changed.
    """
    params = tuple(params_file(name) for name in list_flows())
    return Stage(
        CHECK,
        "",
        write_code,
        {},
        Params(),
        learns=False,
        published=Published(),
        extra_deps=("flows", "tasks", *params),
        persists=True,
    )


def write_code(*, out: Path) -> None:
    """Write the fingerprint of each stage's code, one file for each distinct fingerprint.

    Raises EngineError when dvc.yaml does not match the flows.
    """
    if difference := compare_graph():
        raise EngineError(f"dvc.yaml does not match the flows:\n{difference}\nrun `python -m flows graph --write`")
    written: dict[str, tuple[str, str]] = {}
    for stage in (stage for flow in trace_all().values() for stage in flow):
        name, text = stage.code.name, stage.code.make_fingerprint()
        other, its_text = written.setdefault(name, (stage.name, text))
        if its_text != text:
            raise EngineError(
                f"{other} and {stage.name} have different code, but both would write {FOLDER}/{name}.txt: rename the "
                "task, a section's class or a module of one of them"
            )
        (out / f"{name}.txt").write_text(text, encoding="utf-8")


def find_stage(name: str) -> Stage:
    """Return one stage by its name. Raises EngineError with similar names when there is none."""
    if name == CHECK:
        return check_stage()
    flow = name.partition("-")[0]
    if flow not in list_flows():
        raise EngineError(
            f"there is no stage {name!r} and no flow {flow!r}; if dvc.yaml names it, dvc.yaml is older than the flows: "
            "run `python -m flows graph --write`"
        )
    stages = {stage.name: stage for stage in trace_flow(flow)}
    if name not in stages:
        raise EngineError(f"there is no stage {name!r}; {suggest_stages(name, stages)}")
    return stages[name]


def find_export(flow: str) -> tuple[Artifact, Registered]:
    """Return the output with a flow's exported model, and how to open it. Raises EngineError when there is none."""
    for stage in trace_flow(flow):
        if model := stage.published.model:
            return stage.artifact, model
    raise EngineError(f"{flow} exports no model: declare the stage that exports one with publish=register(...)")


def render_graph(given: Mapping[str, Params] | None = None) -> str:
    """Return the text of dvc.yaml for all flows."""
    stages = [check_stage(), *(stage for flow in trace_all(given).values() for stage in flow)]
    content: dict[str, Any] = {"stages": {stage.name: _describe(stage) for stage in stages}}
    metrics = [f"{s.artifact.path}/{name}" for s in stages for name in s.published.metrics]
    plots = [{f"{s.artifact.path}/{name}": dict(axes)} for s in stages for name, axes in s.published.plots.items()]
    content |= {"metrics": metrics} if metrics else {}
    content |= {"plots": plots} if plots else {}
    text = StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 110
    yaml.dump(content, text)
    return HEADER + text.getvalue()


def _describe(stage: Stage) -> dict[str, Any]:
    entry: dict[str, Any] = {"cmd": stage.command, "deps": stage.deps}
    if stage.tracked:
        keys = CommentedSeq(sorted(stage.tracked))
        keys.fa.set_flow_style()  # in as few lines as possible
        entry["params"] = [{params_file(stage.flow): keys}]
    return entry | {"outs": [{stage.artifact.path: {"persist": True}} if stage.persists else stage.artifact.path]}


def compare_graph() -> str:
    """Return the difference between dvc.yaml and the flows as a unified diff, empty if none. Read-only."""
    path = ROOT / "dvc.yaml"
    now = path.read_text(encoding="utf-8") if path.exists() else ""
    then = render_graph()
    return "".join(difflib.unified_diff(now.splitlines(True), then.splitlines(True), "dvc.yaml", "flows", n=1))


def write_graph() -> bool:
    """Write dvc.yaml from the flows; return whether it changed."""
    changed = bool(compare_graph())
    if changed:
        write_whole({ROOT / "dvc.yaml": render_graph()})
    return changed
