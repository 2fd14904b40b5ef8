"""Trainings run side by side where the machine has a share for each, and one after the other where it has not."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.engine.compute.shares import hold_place
from flows.engine.errors import EngineError
from flows.engine.locks import hold_lock, hold_some
from tests.engine.test_process import run
from tests.engine.tiny_project import TinyProject

CORES = len(os.sched_getaffinity(0))
# Computes several stages in threads, as the drivers do; each reports which share of the machine it had.
TOGETHER = """
from flows.engine import machine
import tempfile
def compute_together(needs, others):
    place = tempfile.mkdtemp()
    stages = [
        make(odd.meet, f"odd{n}", learns=True, compute=need, place=place, others=others) for n, need in enumerate(needs)
    ]
    threads = [threading.Thread(target=compute, args=(stage,)) for stage in stages]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for path in sorted(pathlib.Path(place).iterdir()):
        tell(**json.loads(path.read_text()))
"""


@pytest.fixture
def tiny(tiny_base: TinyProject, tmp_path: Path) -> TinyProject:
    project = tiny_base.copy(tmp_path / "tiny")
    project.env["TMPDIR"] = str(tmp_path)  # where the locks are: other tests train too
    return project


def compute_together(tiny: TinyProject, needs: str, *, others: int) -> list[dict[str, Any]]:
    return run(tiny, f"{TOGETHER}\ncompute_together({needs}, {others})")


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
def test_trainings_of_one_thread_run_side_by_side_each_on_a_core_of_its_own(tiny: TinyProject) -> None:
    shares = compute_together(tiny, f"[odd.Busy(cores={1 / CORES}, gpus=0)] * 2", others=2)
    assert [share["met"] for share in shares] == [2, 2]
    first, second = (share["cores"] for share in shares)
    assert len(first) == len(second) == 1 and first != second


def test_trainings_that_use_all_cores_run_one_after_the_other(tiny: TinyProject) -> None:
    shares = compute_together(tiny, "[odd.Busy(cores=1.0, gpus=1)] * 3", others=1)
    assert [share["met"] for share in shares] == [1] * 3
    assert all(share["cores"] == sorted(os.sched_getaffinity(0)) for share in shares)


def test_a_stage_that_learns_and_says_nothing_has_the_machine_alone(tiny: TinyProject) -> None:
    shares = compute_together(tiny, f"[odd.Section(), odd.Busy(cores={1 / CORES}, gpus=0)]", others=1)
    assert [share["met"] for share in shares] == [1, 1]


def test_each_gpu_has_one_training(tiny: TinyProject) -> None:
    cards = "machine.name_gpus = lambda: ('A', 'B', 'C')\n"
    script = f"{TOGETHER}\n{cards}compute_together([odd.Busy(cores=1.0, gpus=1)] * 4, 2)"
    shares = run(tiny, script, CUDA_VISIBLE_DEVICES="0,2")
    assert sorted(share["gpu"] for share in shares) == ["0", "0", "2", "2"]
    assert {share["met"] for share in shares} == {2}
    (pair,) = run(
        tiny, f"{TOGETHER}\n{cards}compute_together([odd.Busy(cores=1.0, gpus=4)], 1)", CUDA_VISIBLE_DEVICES="0,2"
    )
    assert pair["gpu"] == "0,2"


def test_stages_that_do_not_learn_are_computed_a_few_at_once_and_can_be_stopped_while_they_wait() -> None:
    inside: list[int] = []
    most, stopped = 0, []

    def check() -> None:
        if len(stopped) < 3:
            stopped.append(True)
            raise EngineError("stopped")

    def work(number: int) -> None:
        nonlocal most
        with suppress(EngineError), hold_place(check):
            inside.append(number)
            most = max(most, len(inside))
            time.sleep(0.3)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5 * CORES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == max(2, CORES)
    assert len(stopped) == 3


def test_who_needs_few_does_not_overtake_one_who_needs_many(tmp_path: Path) -> None:
    queue, cores = tmp_path / "queue", [tmp_path / "core-0", tmp_path / "core-1"]
    order: list[str] = []

    def take(name: str, count: int) -> None:
        with hold_some(queue, cores, count, lambda: None, lambda: None) as held:
            order.append(name)
            assert len(held) == count

    waiting = [threading.Thread(target=take, args=args) for args in (("many", 2), ("few", 1))]
    with hold_lock(cores[0]):
        for thread in waiting:
            thread.start()
            while not (queue.exists() and _is_held(queue)):
                time.sleep(0.01)
            time.sleep(0.2)
        assert order == []
    for thread in waiting:
        thread.join()
    assert order == ["many", "few"]


@pytest.mark.parametrize(("holder", "messages"), [("another process", ["waiting"]), ("this process", [])])
def test_who_waits_for_another_process_gets_a_message_and_can_be_stopped(
    tmp_path: Path, holder: str, messages: list[str]
) -> None:
    core, said = tmp_path / "core-0", []
    with ExitStack() as held:
        if holder == "this process":
            held.enter_context(hold_lock(core))
        else:
            # Locked without the engine's knowledge, as by another process.
            fcntl.flock(held.enter_context(core.open("w")), fcntl.LOCK_EX)
        waiting = hold_some(tmp_path / "queue", [core], 1, lambda: said.append("waiting"), _refuse)
        with pytest.raises(EngineError, match="held"), waiting:
            pass
    assert said == messages
    with hold_some(tmp_path / "queue", [core], 1, lambda: None, _refuse) as locks:
        assert locks == [core]


def test_many_may_wait_with_few_open_files(tmp_path: Path) -> None:
    cores = [tmp_path / f"core-{number}" for number in range(16)]

    def wait() -> None:
        with hold_some(tmp_path / "queue", cores, 16, lambda: None, lambda: None):
            pass

    waiting = [threading.Thread(target=wait) for _ in range(20)]
    before = psutil.Process().num_fds()
    with hold_lock(cores[0]):
        for thread in waiting:
            thread.start()
        time.sleep(0.5)
        assert psutil.Process().num_fds() - before <= 1 + len(waiting) + len(cores)
    for thread in waiting:
        thread.join()
    assert psutil.Process().num_fds() == before


def _is_held(path: Path) -> bool:
    try:
        with hold_lock(path, check=_refuse):
            return False
    except EngineError:
        return True


def _refuse() -> None:
    raise EngineError("held")
