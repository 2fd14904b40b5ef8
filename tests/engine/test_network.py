"""Nodes on a network of their own: two network namespaces with one link between them, which can be slow, or cut."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.engine.node_checks import WITH_CHECKPOINT, read_lock
from tests.engine.tiny_project import STAGES, TinyProject
from tests.project import REPOSITORY, Finished, Started

HEAD, NODE = "10.77.0.1", "10.77.0.2"

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: `make nodes`"),
    pytest.mark.xdist_group("network"),
]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass(frozen=True)
class Side:
    """One machine's side of the network: a checkout in a network namespace."""

    namespace: str
    project: TinyProject

    def run(self, module: str, *words: str) -> Started:
        return self.project.start("ip", "netns", "exec", self.namespace, sys.executable, "-m", module, *words)

    def start(self, *words: str) -> Started:
        return self.run("flows", *words)

    def call(self, *words: str) -> Finished:
        return self.start(*words).finish()

    def set_link(self, state: str) -> None:
        ip("-n", self.namespace, "link", "set", "cable", state)


@pytest.fixture
def sides(tiny_base: TinyProject, tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    """Two machines with a checkout each; what their stages compute is in the trace of the first."""
    names = [f"trifold-{os.getpid()}-{side}" for side in ("head", "node")]
    try:
        for name in names:
            ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("network namespaces need root and the program ip")
    ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
    for name, address in zip(names, (HEAD, NODE), strict=True):
        ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
        for device in ("lo", "cable"):
            ip("-n", name, "link", "set", device, "up")
    head, node = (Side(name, tiny_base.copy_sources(tmp_path / name)) for name in names)
    head.project.record.unlink()  # the tests' Prefect server cannot be reached from there
    (tmp_path / "home").mkdir()
    node.project.env |= {"TINY_TRACE": str(head.project.trace), "HOME": str(tmp_path / "home")}
    head.project.call("python", "-m", "dvc", "remote", "add", "-d", "shelf", str(tmp_path / "remote")).check()
    yield head, node
    head.call("down").check()
    for name in names:
        # Ray's own `ray stop` would end every Ray of this machine.
        for pid in subprocess.run(["ip", "netns", "pids", name], check=True, capture_output=True).stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        ip("netns", "delete", name)


@pytest.fixture
def head(sides: tuple[Side, Side]) -> Iterator[Side]:
    """The head of a pool, which computes nothing; the pool has one node."""
    head, node = sides
    head.call("nodes", "up", "--listen", HEAD, "--slots", "0").check()
    (node.project.root / ".trifold/ray").mkdir(parents=True)
    shutil.copy(head.project.root / ".trifold/ray/token", node.project.root / ".trifold/ray")
    node.call("nodes", "join", f"{HEAD}:6379").check()
    yield head
    for side in (node, head):
        side.call("nodes", "down").check()


def test_a_cluster_that_others_started_computes_too(sides: tuple[Side, Side], tiny_base: TinyProject) -> None:
    # As KubeRay starts it in containers, with the settings of deploy/ray.yaml.
    spec = YAML(typ="safe").load(REPOSITORY / "deploy/ray.yaml")["spec"]
    assert (spec["rayVersion"], spec["authOptions"]) == (version("ray"), {"mode": "token"})
    head, node = sides
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789" * 4, "RAY_USAGE_STATS_ENABLED": "0"}
    settings = [f"--{name}={value}" for name, value in spec["headGroupSpec"]["rayStartParams"].items()]
    starts = ((head, ("--head", *settings)), (node, (f"--address={HEAD}:6379", "--num-cpus=1")))
    for (side, words), address in zip(starts, (HEAD, NODE), strict=True):
        side.project.env |= auth
        place = f"--temp-dir=/tmp/{side.namespace}"
        side.run("ray.scripts.scripts", "start", *words, f"--node-ip-address={address}", place).finish().check()
    done = head.call("run", "tiny", "--on", f"ray://{HEAD}:6379").check()
    assert all(f"tiny-{stage}: computed on " in done.output for stage in STAGES)
    assert (head.project.outputs(), read_lock(head.project)) == (tiny_base.outputs(), read_lock(tiny_base))
    assert (Path(node.project.env["HOME"]) / ".cache/trifold/nodes/node1").is_dir()


def test_a_node_whose_network_is_cut_is_replaced_and_comes_back(head: Side, tiny_base: TinyProject) -> None:
    (head.project.root / "tasks/join.py").write_text("from pathlib import Path\n" + WITH_CHECKPOINT)
    gate = head.project.hold("join")
    run = head.start("run", "tiny", "--on", "nodes")
    head.project.wait_for("join")
    assert NODE in head.call("nodes").check().output
    head.set_link("down")
    head.project.wait_for("join", times=2)
    gate.unlink()
    done = run.finish().check()
    assert sorted(head.project.computed()) == sorted([*STAGES, "resumed-from-epoch1", "join"])
    assert head.project.outputs() == tiny_base.outputs()
    lost = "try 1 of 3 on .* was lost: tiny-join: said nothing for 30 s"
    assert re.search(f"{lost}\ntiny-join: computed on this machine: no node is left", done.output)
    head.set_link("up")
    head.project.edit("params/tiny.yaml", '" / "', '" + "')
    head.project.wait_until(lambda: NODE in head.call("nodes").output)
    assert "tiny-join: computed on " in head.call("run", "tiny", "--on", "nodes").check().output
    assert head.project.computed() == ["join"]
    assert read_lock(head.project) != read_lock(tiny_base)
