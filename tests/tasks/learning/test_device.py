"""The processor and precision that `auto` means are those that are fast."""

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from tasks.errors import UserError
from tasks.learning.compute import Arithmetic, Compute
from tasks.learning.device import open_device
from tasks.machine import count_cores
from tests.tasks.learning.toys import COMPUTE


@pytest.mark.parametrize(
    ("wanted", "got"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16)],
)
def test_a_precision_asked_for_by_name_is_used(wanted: str, got: torch.dtype) -> None:
    device = open_device(COMPUTE.model_copy(update={"precision": wanted, "threads": 1}))
    assert device.precision == got


def test_auto_takes_the_precision_that_trains_faster() -> None:
    convolution = torch.nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
    pictures = torch.rand(16, 64, 32, 32).contiguous(memory_format=torch.channels_last)

    def time_s(precision: str) -> float:
        device = open_device(
            Compute.model_validate({"device": "cpu", "precision": precision, "threads": 1, "replicas": 1})
        )
        started_s = time.perf_counter()
        with device.autocast():
            found = convolution(pictures)
        found.float().sum().backward()
        return time.perf_counter() - started_s

    # They take turns, so that what else the machine does slows all three.
    precisions = ("auto", "fp32", "bf16")
    rounds = [[time_s(precision) for precision in precisions] for _ in range(20)]
    best_s = dict(zip(precisions, map(min, zip(*rounds, strict=True)), strict=True))
    assert best_s["auto"] < 1.2 * min(best_s["fp32"], best_s["bf16"]), best_s


def test_autocast_computes_in_the_precision_chosen() -> None:
    for precision in (torch.float32, torch.bfloat16):
        name = "bf16" if precision == torch.bfloat16 else "fp32"
        device = open_device(COMPUTE.model_copy(update={"precision": name, "threads": 1}))
        with device.autocast():
            assert torch.nn.functional.linear(torch.ones(2, 4), torch.ones(3, 4)).dtype == precision


@pytest.fixture
def threads() -> Iterator[None]:
    """Leave torch with as many threads as it had."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("wanted", "got"), [(1, 1), ("auto", count_cores())])
def test_the_threads_are_the_number_asked_for_or_the_cores(threads: None, wanted: object, got: int) -> None:
    device = open_device(
        Compute.model_validate({"device": "cpu", "precision": "fp32", "threads": wanted, "replicas": 1})
    )
    assert torch.get_num_threads() == device.threads == got


def test_a_training_needs_the_cores_of_its_threads_or_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.learning.compute.count_cores", lambda: 8)

    def need(**values: object) -> tuple[float, bool]:
        return Compute(**{"device": "auto", "precision": "auto", "threads": 2, "replicas": 1} | values).need()

    assert need() == (0.25, 1)
    assert need(device="cpu", threads=16) == (1.0, 0)
    assert need(device="cuda", threads="auto", replicas=4) == (1.0, 4)
    assert need(threads=1, replicas=4) == (0.5, 4)


def test_a_resumed_training_keeps_the_threads_and_the_precision_that_it_began_with(threads: None) -> None:
    device = open_device(COMPUTE)
    resumed = device.resume(replace(device.arithmetic, precision="bf16", threads=3), Path("kept"))
    assert (resumed.precision, resumed.threads, torch.get_num_threads()) == (torch.bfloat16, 3, 3)


@pytest.mark.parametrize("other", [{"device": "cuda"}, {"instructions": "sse2"}])
def test_a_training_is_not_resumed_on_another_kind_of_processor(threads: None, other: dict[str, str]) -> None:
    device = open_device(COMPUTE)
    began = Arithmetic(**(asdict(device.arithmetic) | other))
    with pytest.raises(UserError, match=f"in kept began on {began.device} with {began.instructions}.*delete that"):
        device.resume(began, Path("kept"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_with_the_mend() -> None:
    with pytest.raises(UserError, match=r"compute\.device is cuda.*auto or cpu"):
        open_device(Compute(device="cuda", precision="auto", threads=1, replicas=1))
