"""Replicas of a network share each batch, and end with the same bytes on any number of processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tasks.errors import UserError
from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.group import count_processes
from tasks.learning.loop import Trained
from tasks.learning.step import Step
from tasks.learning.train import train_at
from tasks.learning.transforms import Transforms
from tests.project import REPOSITORY
from tests.tasks.learning.toys import COMPUTE, RecordingReport, list_inputs, make_member, make_toy


@pytest.fixture
def set_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the number of processes that share a training, whatever the machine's cores."""
    return lambda number: monkeypatch.setattr("tasks.learning.group.count_processes", lambda device: number)


def train(
    root: Path,
    *,
    replicas: int,
    precision: str = "fp32",
    report: RecordingReport | None = None,
    **values: object,
) -> Trained:
    member = make_member(**{"lr": 0.01, "width": 8} | values)
    compute = COMPUTE.model_copy(update={"replicas": replicas, "precision": precision})
    kept = root / "kept"
    kept.mkdir(exist_ok=True, parents=True)
    prepare = partial(member.prepare, compute, 5, **list_inputs(make_toy(root)))
    return train_at(prepare, None, report=report or RecordingReport(), checkpoints=kept)[2]


def is_same(first: Trained, second: Trained) -> bool:
    same = all(torch.equal(value, second.weights[name]) for name, value in first.weights.items())
    return same and first.history == second.history and first.activations == second.activations


@pytest.mark.parametrize(("precision", "numbers"), [("fp32", (2, 4)), ("bf16", (2,))])
def test_the_same_bytes_on_one_two_and_four_processes(
    tmp_path: Path, set_processes: Callable[[int], None], precision: str, numbers: tuple[int, ...]
) -> None:
    trained = {}
    for number in (1, *numbers):
        set_processes(number)
        trained[number] = train(tmp_path / str(number), replicas=4, precision=precision)
    assert all(is_same(trained[1], trained[number]) for number in numbers)
    set_processes(1)
    assert not is_same(trained[1], train(tmp_path / "alone", replicas=1, precision=precision))


def test_replicas_learn_as_one_network_does(tmp_path: Path, set_processes: Callable[[int], None]) -> None:
    set_processes(1)
    trained = train(tmp_path, replicas=2, epochs=12)
    assert trained.history[-1]["valid_accuracy"] > 0.9


def test_running_statistics_are_the_mean_of_the_replicas_and_constants_stay() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)).train()
    network.register_buffer("constant", torch.rand(5))
    constant = network.constant.clone()
    inputs, labels = torch.randn(9, 6), torch.arange(9) % 3
    step = Step(network, make_member(), open_device(COMPUTE.model_copy(update={"replicas": 4})), Transforms(), 3)
    step.take((inputs, labels), torch.Generator(), torch.optim.SGD(network.parameters(), lr=0.0))
    means = torch.stack([part.mean(0) * len(part) / 9 for part in inputs.tensor_split(4)]).sum(0)
    assert torch.allclose(network[0].running_mean, 0.1 * means, atol=1e-6)
    assert torch.equal(network.constant, constant)
    assert int(network[0].num_batches_tracked) == 1


def test_without_batch_statistics_and_dropout_the_gradient_is_that_of_the_whole_batch() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    batch, optimiser = (torch.randn(11, 6), torch.arange(11) % 3), torch.optim.SGD(network.parameters(), lr=0.0)
    found = []
    for replicas in (1, 4):
        device = open_device(COMPUTE.model_copy(update={"replicas": replicas}))
        step = Step(network, make_member(clip_norm=1e6), device, Transforms(), 3)
        loss = step.take(batch, torch.Generator().manual_seed(1), optimiser)
        found.append([loss, *(weight.grad.clone() for weight in network.parameters())])
    assert all(torch.allclose(whole, summed, atol=1e-6) for whole, summed in zip(*found, strict=True))


class Meddler(RecordingReport):
    """Does something once, in the middle of a training."""

    def __init__(self, meddle: Callable[[], None]) -> None:
        super().__init__()
        self.meddle = meddle

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        if step == 2:
            self.meddle()


def list_helpers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_where_one_of_the_processes_is_killed_the_next_run_goes_on_to_the_same_bytes(
    tmp_path: Path, set_processes: Callable[[int], None]
) -> None:
    set_processes(2)
    whole = train(tmp_path / "whole", replicas=2)

    def kill() -> None:
        (helper,) = list_helpers()
        helper.kill()

    with pytest.raises(UserError, match="one of the processes that train this network together has ended"):
        train(tmp_path / "killed", replicas=2, report=Meddler(kill))
    set_processes(1)
    assert is_same(whole, train(tmp_path / "killed", replicas=2))


def test_the_processes_listen_on_loopback_only_and_end_with_a_training_that_is_stopped(
    tmp_path: Path, set_processes: Callable[[int], None]
) -> None:
    seen: set[str] = set()

    def stop() -> None:
        for process in (psutil.Process(), *list_helpers()):
            listening = [c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
            seen.update(listening)
        raise KeyboardInterrupt

    set_processes(2)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, replicas=2, report=Meddler(stop))
    assert seen == {"127.0.0.1"}
    assert list_helpers() == []


KILLED = """
import os, signal
from pathlib import Path
import tasks.learning.group
from tests.tasks.learning import test_replicas

def die():
    (helper,) = test_replicas.list_helpers()
    print(helper.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    tasks.learning.group.count_processes = lambda device: 2
    test_replicas.train(Path("toy"), replicas=2, report=test_replicas.Meddler(die))
"""


def test_where_the_training_itself_is_killed_its_other_processes_end(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, str(script)]
    killed = subprocess.run(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True, check=False)
    helper = int(killed.stdout)
    deadline_s = time.monotonic() + 60.0
    while psutil.pid_exists(helper) and psutil.Process(helper).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_a_batch_that_is_too_small_for_its_replicas_is_refused(
    tmp_path: Path, set_processes: Callable[[int], None]
) -> None:
    set_processes(1)
    with pytest.raises(UserError, match=r"a batch of 12 examples is too small for 8 replicas.*compute\.replicas lower"):
        train(tmp_path, replicas=8)


def test_the_number_of_replicas_is_a_power_of_two() -> None:
    with pytest.raises(ValidationError, match="must be 1, 2, 4, 8, 16, 32 or 64"):
        Compute(device="cpu", precision="fp32", threads=1, replicas=3)


@pytest.mark.parametrize(
    ("replicas", "threads", "cores", "processes"),
    [(1, 1, 8, 1), (4, 1, 8, 4), (4, 2, 7, 2), (4, 4, 3, 1), (8, 1, 6, 4)],
)
def test_as_many_processes_share_the_replicas_as_the_cores_allow(
    monkeypatch: pytest.MonkeyPatch, replicas: int, threads: int, cores: int, processes: int
) -> None:
    monkeypatch.setattr("tasks.learning.group.count_cores", lambda: cores)
    before = torch.get_num_threads()
    device = open_device(COMPUTE.model_copy(update={"replicas": replicas, "threads": threads}))
    torch.set_num_threads(before)
    assert count_processes(device) == processes
