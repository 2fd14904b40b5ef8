"""Every project function that runs in the sample flows is in the reach of its stage."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.engine.graph.dvc_yaml import load_pipeline
from flows.engine.graph.fingerprint import reach, read_sources
from flows.engine.graph.params import check_params, read_yaml
from flows.engine.graph.reach import RUN, WHOLE, Node
from flows.engine.graph.stage import Artifact, Stage
from flows.engine.project import ROOT
from tests.profiled.stages import Quiet

# The least that still runs every stage.
SMALL: dict[str, dict[str, Any]] = {
    "audio": {
        "sample": {"clips_per_fold": 2},
        "folds": {"mode": "holdout"},
        "members": {"melnet": {"epochs": 1, "width": 4}},
    },
    "images": {
        "sample": {"pictures_per_class": 20},
        "sizes": {"small": {"epochs": 1, "pixels": 32, "batch_size": 8}},
        "members": {"compactnet": {"width": 4}},
    },
    "text": {
        "sample": {"train_rows": 200, "test_rows": 60},
        "members": {name: {"epochs": 1} for name in ("lstm", "cnn")},
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(ROOT / "tests/profiled/stages.py")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def trace_small(flow: str) -> list[Stage]:
    """Return the stages of a flow whose trainings are as short as they can be."""
    content = read_yaml(f"params/{flow}.yaml")
    if flow == "images":
        content["sizes"] = {"small": content["sizes"]["small"]}
    merge(content, SMALL[flow] | {"compute": {"threads": 1}})
    pipeline = load_pipeline(flow)
    return pipeline.trace(check_params(content, pipeline.model, flow))


def merge(content: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict):
            merge(content[key], value)
        else:
            content[key] = value


def run_profiled(stage: Stage, place: Path, server: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Run a stage's function by itself; return a record of each function of tasks/ that ran."""
    out = place / stage.name
    for folder in (out, place / f"{stage.name}.checkpoints"):
        folder.mkdir()
    arguments = {name: place_artifacts(value, place) for name, value in stage.arguments.items()}
    given = {"out": out, "report": Quiet(), "checkpoints": place / f"{stage.name}.checkpoints"}
    given["downloads"] = given["checkpoints"]
    wanted = inspect.signature(stage.function).parameters
    arguments |= {name: value for name, value in given.items() if name in wanted}
    pickled, records = place / f"{stage.name}.pickle", place / f"{stage.name}.records"
    pickled.write_bytes(pickle.dumps((stage.function, arguments)))
    assert server.stdin is not None and server.stdout is not None
    print(json.dumps([str(pickled), str(records)]), file=server.stdin, flush=True)
    assert server.stdout.readline() == "0\n", stage.name
    return [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]


def place_artifacts(value: Any, place: Path) -> Any:
    if isinstance(value, Artifact):
        return place / value.stage / value.file
    return [place_artifacts(one, place) for one in value] if isinstance(value, list) else value


def find_missing(stage: Stage, records: list[dict[str, Any]]) -> set[str]:
    """Return what ran, was named or was imported, and is not in the reach of the stage."""
    reached = reach(stage.code.definitions, stage.code.modules)
    *functions, last = records
    missing = {name for name in last["imported"] if Node(name, RUN) not in reached}
    for function in functions:
        ran = find_statement(function["module"], function["line"])
        if ran not in reached:
            missing.add(f"{function['module']}, line {function['line']}")
        for module, name in function["named"]:
            nodes = {Node(module, WHOLE)} if name == "*" else read_sources().find(module, name)
            if not nodes or not {one for one in nodes if one.place >= 0 or one.place == WHOLE} <= reached:
                missing.add(f"{module}:{name}, named in {function['module']}, line {function['line']}")
    return missing


def find_statement(module: str, line: int) -> Node:
    """Return the statement of a module that holds a line."""
    for place, node in enumerate(read_sources().read(module).statements):
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
        if first <= line <= (node.end_lineno or first):
            return Node(module, place)
    raise LookupError(f"{module}, line {line}")


@pytest.mark.parametrize("flow", SMALL)
def test_whatever_runs_in_a_stage_is_in_its_reach(flow: str, server: subprocess.Popen[str], tmp_path: Path) -> None:
    known: set[str] = set()
    for stage in trace_small(flow):
        records = run_profiled(stage, tmp_path, server)
        assert len(records) > 3, f"{stage.name}: its functions were not seen"
        assert find_missing(stage, records) == set(), stage.name
        known |= {record["module"] for record in records[:-1]}
    assert len(known) > 20
