"""Stages are computed on nodes, which share nothing with the driver but DVC's remote."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.engine.errors import EngineError
from flows.engine.nodes.order import Order
from flows.engine.tags import NODE
from flows.engine.tracking.outbox import EVENTS
from tests.engine.node_checks import WITH_CHECKPOINT, list_processes, read_lock
from tests.engine.tiny_project import STAGES, TinyProject
from tests.project import Started

RUN = ("python", "-m", "flows", "run", "tiny")
NODES = ("--on", "processes:2")


@pytest.fixture
def lab(tiny_base: TinyProject, tmp_path: Path) -> Iterator[TinyProject]:
    """A checkout in which nothing was computed, with a remote; afterwards nothing may run on its nodes."""
    project = tiny_base.copy_sources(tmp_path / "lab")
    project.call("python", "-m", "dvc", "remote", "add", "-d", "shelf", str(tmp_path / "remote")).check()
    yield project
    project.wait_until(lambda: not list_processes(project))


def find_stage_process(project: TinyProject) -> psutil.Process:
    """Return the process of the only stage under way on a node: the child of a server that a program started."""
    (found,) = [
        process
        for process in list_processes(project)
        if len([parent for parent in process.parents() if parent in list_processes(project)]) == 2
    ]
    return found


def start_held(lab: TinyProject) -> tuple[Started, Path]:
    """Start the flow on nodes, and have its last stage stay in the middle of its work."""
    gate = lab.hold("join")
    run = lab.start(*RUN, *NODES)
    lab.wait_for("join")
    return run, gate


def wait_for_checkpoint(lab: TinyProject) -> None:
    lab.wait_until(lambda: any(lab.root.with_name("remote").glob("checkpoints/*/*/*/training.pt")))


def test_a_flow_on_nodes_ends_with_the_lock_of_one_on_this_machine(lab: TinyProject, tiny_base: TinyProject) -> None:
    (lab.root / "ray.py").write_text("raise ImportError('Ray is only for other machines')")
    assert "only for other machines" in lab.call("python", "-m", "ray").output
    done = lab.call(*RUN, *NODES).check()
    assert sorted(lab.computed()) == sorted(STAGES)
    assert (lab.outputs(), read_lock(lab)) == (tiny_base.outputs(), read_lock(tiny_base))
    assert all(f"tiny-{stage}: computed on node" in done.output for stage in STAGES)
    assert lab.call(*RUN, *NODES).check().output.count("cached") == len(STAGES)
    lab.edit("params/tiny.yaml", '" / "', '" + "')
    lab.call(*RUN, *NODES).check()
    assert lab.computed() == ["join"]
    lab.drive("dvc").check()
    assert (lab.computed(), list((lab.root / ".trifold/unsent").glob("*"))) == ([], [])


def test_under_dvc_repro_stages_are_computed_on_nodes_too(lab: TinyProject, tiny_base: TinyProject) -> None:
    done = lab.drive("dvc", TRIFOLD_NODES="processes:1").check()
    assert sorted(lab.computed()) == sorted(STAGES)
    assert all(f"tiny-{stage}: computed on node1" in done.output for stage in STAGES)
    assert (lab.outputs(), read_lock(lab)) == (tiny_base.outputs(), read_lock(tiny_base))
    lab.call(*RUN, *NODES).check()
    assert lab.computed() == []


@pytest.mark.parametrize("killed", ["stage", "program"])
def test_what_is_killed_on_a_node_goes_on_elsewhere_from_its_checkpoint(lab: TinyProject, killed: str) -> None:
    (lab.root / "tasks/join.py").write_text("from pathlib import Path\n" + WITH_CHECKPOINT)
    run, gate = start_held(lab)
    wait_for_checkpoint(lab)
    remote = lab.root.with_name("remote")
    lab.wait_until(lambda: any(remote.glob("leases/*")))
    process = find_stage_process(lab)
    (process if killed == "stage" else process.parents()[1]).kill()
    lab.wait_for("join", times=2)
    gate.unlink()
    done = run.finish().check()
    assert lab.computed()[-3:] == ["join", "resumed-from-epoch1", "join"]
    assert "tiny-join: try 1 of 3 on node" in done.output
    assert [
        path for folder in ("checkpoints", "leases") for path in remote.glob(f"{folder}/**/*") if path.is_file()
    ] == []
    assert lab.is_clean()


def test_a_remote_that_was_away_for_a_moment_loses_no_stage(lab: TinyProject) -> None:
    remote = lab.root.with_name("remote")
    remote.write_text("a file, so that no folder can be made here")
    run = lab.start(*RUN, *NODES)
    lab.wait_until(lambda: run.log.exists() and "DVC's remote gives no results" in run.log.read_text())
    remote.unlink()
    done = run.finish().check()
    assert sorted(lab.computed()) == sorted(STAGES)
    assert all(f"tiny-{stage}: computed on node" in done.output for stage in STAGES)


@pytest.mark.parametrize("is_same_kind", [True, False], ids=["same kind of processor", "another"])
def test_when_the_driver_is_killed_its_nodes_end_and_another_checkout_goes_on(
    lab: TinyProject, tmp_path: Path, is_same_kind: bool
) -> None:
    (lab.root / "tasks/join.py").write_text("from pathlib import Path\n" + WITH_CHECKPOINT)
    run, gate = start_held(lab)
    wait_for_checkpoint(lab)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    lab.wait_until(lambda: not list_processes(lab))
    gate.unlink()
    lab.computed()
    if not is_same_kind:
        (kept,) = tmp_path.glob("remote/checkpoints/*/*")
        kept.rename(kept.with_name("other"))
    other = lab.copy_sources(tmp_path / "other")
    done = other.call(*RUN, *NODES).check()
    assert other.computed() == (["resumed-from-epoch1", "join"] if is_same_kind else ["join"])
    assert ("tiny-join: begins anew" in done.output) is not is_same_kind


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_the_stage_on_its_node_at_the_next_batch(lab: TinyProject, number: signal.Signals) -> None:
    run, gate = start_held(lab)
    os.kill(run.pid, number)
    done = run.finish()
    assert (done.code, list_processes(lab)) == (1, [])
    assert "error: stopped; the next run resumes it" in done.output
    gate.unlink()
    lab.computed()
    lab.call(*RUN, *NODES).check()
    assert lab.computed() == ["join"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("params/tiny.yaml", '" / "', '" + "'), ("tasks/join.py", ') + "\\n"', ') + "!\\n"')],
    ids=["a param", "code"],
)
def test_an_edit_while_a_node_computes_is_not_recorded_as_what_was_read(
    lab: TinyProject, tiny_base: TinyProject, name: str, old: str, new: str
) -> None:
    run, gate = start_held(lab)
    lab.edit(name, old, new)
    gate.unlink()
    run.finish()
    lab.computed()
    lab.call(*RUN, *NODES).check()
    assert lab.computed() == ["join"]
    assert lab.outputs()["join"] != tiny_base.outputs()["join"]


def test_a_task_that_fails_on_a_node_is_not_tried_again(lab: TinyProject) -> None:
    done = lab.call(*RUN, *NODES, TINY_FAIL="join")
    assert done.code == 1
    assert "join fails as asked" in done.output
    assert lab.computed().count("join") == 1


def test_the_load_of_the_node_reaches_mlflow(lab: TinyProject) -> None:
    lab.edit("flows/tiny.py", 'stage(join_texts, "join")', 'stage(join_texts, "join", learns=True)')
    gate = lab.hold("join")
    # A tracker that is away leaves the journals where they are.
    run = lab.start(*RUN, *NODES, MLFLOW_TRACKING_URI="http://127.0.0.1:1")
    lab.wait_for("join")
    outbox = lab.root / ".trifold/outbox"
    lab.wait_until(lambda: len(list(outbox.glob("[0-9]*"))) == 2)

    def read_loads() -> list[dict[str, float]]:
        events = [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]
        return [event["figures"] for event in events if event["event"] == "metrics"]

    _, folder = sorted(outbox.glob("[0-9]*"))
    lab.wait_until(lambda: len(read_loads()) > 1)
    gate.unlink()
    run.finish().check()
    assert all("system/cpu_utilization_percentage" in load for load in read_loads()[:2])
    assert json.loads((folder / EVENTS).read_text().splitlines()[0])["tags"][NODE].startswith("node")


def test_a_file_outside_the_project_is_read_on_this_machine(lab: TinyProject, tmp_path: Path) -> None:
    text = tmp_path / "elsewhere.txt"
    text.write_text((lab.root / "input.txt").read_text())
    lab.edit("params/tiny.yaml", "input.txt", str(text))
    done = lab.call(*RUN, *NODES).check()
    assert f"tiny-read: computed on this machine: {text} is outside the project" in done.output
    assert "tiny-join: computed on node" in done.output


def test_a_node_with_other_versions_is_refused() -> None:
    order = Order("tiny-read", "", {}, False, {"python": "3.11.7", "torch": "2.11.0"})
    with pytest.raises(EngineError, match=r"this node has torch 2.12.0, the driver has 2.11.0: .*`make doctor`"):
        order.refuse_other_versions({"python": "3.11.7", "torch": "2.12.0"})
    order.refuse_other_versions(order.versions)


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ("nope", "error: 'nope' names no nodes: `--on processes:2`"),
        ("processes:0", "'processes:0' names no nodes"),
    ],
)
def test_nodes_that_do_not_exist_are_refused_first(lab: TinyProject, on: str, message: str) -> None:
    (lab.root / "dvc.yaml").unlink()
    for options in ((), ("--dry",)):
        done = lab.call(*RUN, *options, "--on", on)
        assert (done.code, message in done.output) == (1, True), done.output
    assert not (lab.root / "dvc.yaml").exists()


def test_nodes_without_a_remote_are_refused(tiny_base: TinyProject, tmp_path: Path) -> None:
    project = tiny_base.copy_sources(tmp_path / "alone")
    done = project.call(*RUN, *NODES)
    assert "error: nodes need DVC's default remote" in done.output


def test_the_module_that_is_sent_to_a_bare_machine_imports_the_standard_library_only() -> None:
    import ast

    import flows.engine.nodes.node as node

    assert node.__file__ is not None
    tree = ast.parse(Path(node.__file__).read_text())
    names = {alias.name for found in ast.walk(tree) if isinstance(found, ast.Import) for alias in found.names}
    names |= {str(found.module) for found in ast.walk(tree) if isinstance(found, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {"__future__", *sys.stdlib_module_names}
