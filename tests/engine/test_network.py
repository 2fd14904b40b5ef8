"""Nodes on a network of their own: two network namespaces with one link between them, which can be slow, or cut."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.engine.node_checks import WITH_CHECKPOINT, read_lock
from tests.engine.tiny_project import STAGES, TinyProject
from tests.project import Finished, Started

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

    def start(self, *words: str) -> Started:
        return self.project.start("ip", "netns", "exec", self.namespace, sys.executable, "-m", "flows", *words)

    def call(self, *words: str) -> Finished:
        return self.start(*words).finish()

    def set_link(self, state: str) -> None:
        ip("-n", self.namespace, "link", "set", "cable", state)


@pytest.fixture
def head(tiny_base: TinyProject, tmp_path: Path) -> Iterator[Side]:
    """The head of a pool, which computes nothing and has a default remote; the pool has one node."""
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
    node.project.env["TINY_TRACE"] = str(head.project.trace)
    (tmp_path / "home").mkdir()
    node.project.env["HOME"] = str(tmp_path / "home")
    head.project.call("python", "-m", "dvc", "remote", "add", "-d", "shelf", str(tmp_path / "remote")).check()
    head.call("nodes", "up", "--listen", HEAD, "--slots", "0").check()
    (node.project.root / ".trifold/ray").mkdir(parents=True)
    shutil.copy(head.project.root / ".trifold/ray/token", node.project.root / ".trifold/ray")
    node.call("nodes", "join", f"{HEAD}:6379").check()
    yield head
    for side in (node, head):
        side.call("nodes", "down").check()
    head.call("down").check()
    for name in names:
        ip("netns", "delete", name)


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
