"""Stages are computed on Ray nodes: separate processes, each with a home, a checkout and a cache of its own."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.engine.node_checks import WITH_CHECKPOINT, read_lock
from tests.engine.tiny_project import STAGES, TinyProject
from tests.project import Started

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: `make nodes`"),
    # One pool serves all of them.
    pytest.mark.xdist_group("ray"),
]
NODES = ("python", "-m", "flows", "nodes")
RUN = ("python", "-m", "flows", "run", "tiny", "--on", "nodes")
KILLS = int(os.environ.get("TRIFOLD_KILLS", "0"))  # set by `make bench ROW=nodes_kills`
SEED = int(os.environ.get("TRIFOLD_SEED", "1"))


@dataclass
class RayPool:
    """A head that computes nothing, and two nodes."""

    head: TinyProject
    members: list[TinyProject]

    def list_processes(self) -> list[psutil.Process]:
        """Return the programs and stage processes on the nodes, first the programs."""
        return [process for process in self._list_all() if ".trifold/nodes" in _find_folder(process)]

    def list_listening(self) -> set[str]:
        """Return the addresses on which the pool listens."""
        connections = [found for process in self._list_all() for found in process.net_connections("inet")]
        listening = [found.laddr.ip for found in connections if found.status == psutil.CONN_LISTEN]
        return {address.removeprefix("::ffff:") for address in listening}  # IPv4 by way of an IPv6 socket

    def _list_all(self) -> list[psutil.Process]:
        """Return the processes that know a folder of this pool."""
        parts = [str(project.root) for project in (self.head, *self.members)]
        found = []
        for process in psutil.process_iter():
            try:
                if any(process.environ().get("TRIFOLD_NODE_FOLDER", "").startswith(part) for part in parts):
                    found.append(process)
            except psutil.Error:
                continue
        return sorted(found, key=lambda process: process.create_time())


def _find_folder(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


def join(members: list[TinyProject], head: TinyProject) -> None:
    """Have checkouts, each with a home of its own, join a head's pool, as a person would."""
    joining = []
    for member in members:
        shutil.rmtree(member.root / ".trifold/ray", ignore_errors=True)
        (member.root / ".trifold/ray").mkdir()
        shutil.copy(head.root / ".trifold/ray/token", member.root / ".trifold/ray")
        joining.append(member.start(*NODES, "join", find_address(head)))
    for command in joining:
        command.finish().check()


def find_address(head: TinyProject) -> str:
    """Return the address of a pool's head."""
    return str(json.loads((head.root / ".trifold/ray/pool.json").read_text())["head"])


@pytest.fixture(scope="module")
def pool(tiny_base: TinyProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayPool]:
    """Two nodes and their head; what their stages compute is in the head's trace."""
    folder = tmp_path_factory.mktemp("pool")
    head = tiny_base.copy_sources(folder / "head")
    members = []
    for name in ("first", "second"):
        member = tiny_base.copy_sources(folder / name / "checkout")
        (folder / name / "home").mkdir()
        member.env |= {"TINY_TRACE": str(head.trace), "HOME": str(folder / name / "home")}
        members.append(member)
    head.call(*NODES, "up", "--slots", "0").check()
    join(members, head)
    pool = RayPool(head, members)
    yield pool
    listening = pool.list_listening()
    for project in (*members, head):
        project.call(*NODES, "down").check()
    assert listening == {"127.0.0.1"}
    assert pool.list_listening() == set()


@pytest.fixture
def lab(pool: RayPool, tiny_base: TinyProject, tmp_path: Path) -> Iterator[TinyProject]:
    """A checkout on the head's machine in which nothing was computed; afterwards nothing may run on the nodes."""
    project = tiny_base.copy_sources(tmp_path / "lab")
    project.call("python", "-m", "dvc", "remote", "add", "-d", "shelf", str(tmp_path / "remote")).check()
    shutil.copytree(pool.head.root / ".trifold/ray", project.root / ".trifold/ray")
    project.trace = pool.head.trace
    project.env["TINY_TRACE"] = str(project.trace)
    project.computed()
    yield project
    project.wait_until(lambda: not pool.list_processes())


def start_held(lab: TinyProject) -> tuple[Started, Path]:
    """Start the flow on the pool, and have its last stage stay in the middle of its work, after a checkpoint."""
    (lab.root / "tasks/join.py").write_text("from pathlib import Path\n" + WITH_CHECKPOINT)
    lab.edit("params/tiny.yaml", '" / "', f'" {lab.root.parent.name} "')  # the nodes know no result of another test
    gate = lab.hold("join")
    run = lab.start(*RUN)
    lab.wait_for("join")
    remote = lab.root.with_name("remote")
    lab.wait_until(lambda: any(remote.glob("checkpoints/*/*/*/training.pt")))
    return run, gate


def test_a_flow_on_ray_nodes_ends_with_the_lock_of_one_on_this_machine(
    lab: TinyProject, pool: RayPool, tiny_base: TinyProject
) -> None:
    done = lab.call(*RUN).check()
    assert sorted(lab.computed()) == sorted(STAGES)
    assert (lab.outputs(), read_lock(lab)) == (tiny_base.outputs(), read_lock(tiny_base))
    host = os.uname().nodename
    assert all(f"tiny-{stage}: computed on {host}" in done.output for stage in STAGES)
    assert f"{host}-2" in done.output
    assert lab.call(*RUN).check().output.count("cached") == len(STAGES)
    lab.edit("params/tiny.yaml", '" / "', '" + "')
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(pool.head.root / ".trifold/ray/token")}
    shutil.rmtree(lab.root / ".trifold/ray")
    lab.call(*RUN[:-1], f"ray://{find_address(pool.head)}", **token).check()
    assert lab.computed() == ["join"]
    assert lab.is_clean()


@pytest.mark.parametrize("killed", ["stage", "Ray's process"])
def test_what_is_killed_on_a_ray_node_goes_on_elsewhere_from_its_checkpoint(
    lab: TinyProject, pool: RayPool, killed: str
) -> None:
    run, gate = start_held(lab)
    stage = pool.list_processes()[-1]
    process = stage if killed == "stage" else stage.parents()[2]
    assert ("ray::" in process.name()) is (killed != "stage")
    process.kill()
    lab.wait_for("join", times=2)
    gate.unlink()
    done = run.finish().check()
    assert lab.computed()[-3:] == ["join", "resumed-from-epoch1", "join"]
    assert "tiny-join: try 1 of 3 on " in done.output


def test_when_the_driver_of_ray_nodes_is_killed_another_checkout_goes_on(
    lab: TinyProject, pool: RayPool, tmp_path: Path
) -> None:
    run, gate = start_held(lab)
    run.kill()
    lab.wait_until(lambda: not pool.list_processes())
    gate.unlink()
    lab.computed()
    other = lab.copy_sources(tmp_path / "other")
    shutil.copytree(pool.head.root / ".trifold/ray", other.root / ".trifold/ray")
    other.call(*RUN).check()
    assert lab.computed() == ["resumed-from-epoch1", "join"]


def test_a_stop_ends_the_stage_on_its_ray_node_at_the_next_batch(lab: TinyProject, pool: RayPool) -> None:
    run, gate = start_held(lab)
    os.kill(run.pid, signal.SIGINT)
    done = run.finish()
    assert (done.code, pool.list_processes()) == (1, [])
    assert "error: stopped; the next run resumes it" in done.output
    gate.unlink()


def test_a_node_that_leaves_is_replaced_by_another_and_the_last_by_this_machine(
    lab: TinyProject, pool: RayPool
) -> None:
    run, gate = start_held(lab)
    computing = pool.list_processes()[-1].environ()["TRIFOLD_NODE_FOLDER"]
    first, second = sorted(pool.members, key=lambda member: not computing.startswith(str(member.root)))
    os.kill(read_leader(first), signal.SIGKILL)
    lab.wait_for("join", times=2)
    os.kill(read_leader(second), signal.SIGKILL)
    lab.wait_for("join", times=3)
    gate.unlink()
    done = run.finish().check()
    assert lab.computed()[-2:] == ["resumed-from-epoch1", "join"]
    assert "tiny-join: computed on this machine: no node is left" in done.output
    join(pool.members, pool.head)
    listed = pool.head.call(*NODES, "status").check().output
    assert listed.count("127.0.0.1") == 2


def test_a_node_that_ray_ended_joins_again_by_itself(pool: RayPool) -> None:
    # Ray does so when the head could not reach the node for a while.
    raylets = [child for child in psutil.Process(read_leader(pool.members[0])).children() if child.name() == "raylet"]
    for raylet in raylets:
        raylet.kill()
    assert len(raylets) == 1

    def count_nodes() -> int:
        return pool.head.call(*NODES, "status").check().output.count("127.0.0.1")

    pool.head.wait_until(lambda: count_nodes() == 1)
    pool.head.wait_until(lambda: count_nodes() == 2)


def test_when_the_head_is_gone_the_driver_goes_on_alone(lab: TinyProject) -> None:
    run, gate = start_held(lab)
    # Ray itself would end this process a minute after the head has died.
    (bridge,) = [child for child in psutil.Process(run.pid).children() if is_bridge(child)]
    bridge.kill()
    lab.wait_for("join", times=2)
    gate.unlink()
    done = run.finish().check()
    assert lab.computed()[-2:] == ["resumed-from-epoch1", "join"]
    assert "was lost: tiny-join: the head of the pool is gone" in done.output
    assert "tiny-join: computed on this machine: no node is left" in done.output


@pytest.mark.skipif(not KILLS, reason="takes long: `make bench ROW=nodes_kills`")
@pytest.mark.timeout(7200)
def test_kills_at_random_moments_lose_nothing(
    lab: TinyProject, pool: RayPool, truth: Callable[[TinyProject], dict[str, str]]
) -> None:
    rng, text = random.Random(SEED), (lab.root / "input.txt").read_text()
    kills = dict.fromkeys(("driver", "stage", "node"), 0)
    while sum(kills.values()) < KILLS:
        (lab.root / "input.txt").write_text(f"{text.strip()} {lab.root.parent.name} {sum(kills.values())}\n")
        run = lab.start(*RUN)
        time.sleep(rng.uniform(0.5, 5.0))
        victim = rng.choice(sorted(kills))
        kills[victim] += 1
        if victim == "driver":
            run.kill()
            lab.wait_until(lambda: not pool.list_processes())
        elif victim == "stage":
            if computing := pool.list_processes():
                rng.choice(computing).kill()
            run.finish().check()
        else:
            member = rng.choice(pool.members)
            os.kill(read_leader(member), signal.SIGKILL)
            run.finish().check()
            join([member], pool.head)
        lab.call(*RUN).check()
        begun = lab.computed()
        # Two nodes compute one stage each: only what was under way is computed again.
        assert len(begun) - len(STAGES) <= (2 if victim == "driver" else 1), (SEED, kills, begun)
        assert lab.outputs() == truth(lab), (SEED, kills)
        assert lab.is_clean()
    print("killed:", ", ".join(f"{number} times a {victim}" for victim, number in kills.items()))


def is_bridge(process: psutil.Process) -> bool:
    return "flows.engine.nodes.ray_bridge" in process.cmdline()


def read_leader(member: TinyProject) -> int:
    return int(json.loads((member.root / ".trifold/ray/pool.json").read_text())["leader"]["pid"])


def test_a_machine_in_no_pool_is_told_how_to_be_in_one(tiny_base: TinyProject, tmp_path: Path) -> None:
    alone = tiny_base.copy_sources(tmp_path / "alone")
    done = alone.call(*RUN)
    assert (done.code, "error: this machine is in no pool of nodes: `python -m flows nodes up`" in done.output) == (
        1,
        True,
    )
    listen = alone.call(*NODES, "up", "--listen", "192.0.2.1")
    assert "error: --listen 192.0.2.1 is no address of this machine" in listen.output
    assert "copy .trifold/ray/token of the head's checkout" in alone.call(*NODES, "join", "127.0.0.1:9").output
    (alone.root / ".trifold/ray").mkdir()
    (alone.root / ".trifold/ray/token").write_text("0" * 64)
    assert "nothing answers at 127.0.0.1:9" in alone.call(*NODES, "join", "127.0.0.1:9").output


def test_another_token_is_refused(pool: RayPool, tiny_base: TinyProject, tmp_path: Path) -> None:
    stranger = tiny_base.copy_sources(tmp_path / "stranger")
    (stranger.root / ".trifold/ray").mkdir()
    (stranger.root / ".trifold/ray/token").write_text("0" * 64)
    done = stranger.call(*NODES, "join", find_address(pool.head))
    assert (done.code, "is the token the head's?" in done.output) == (1, True)
