"""The processor and precision that `auto` means are those that are fast."""

import time

import pytest
import torch

from tasks.errors import UserError
from tasks.learning.compute import Compute
from tasks.learning.device import open_device


@pytest.mark.parametrize(
    ("wanted", "got"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16)],
)
def test_a_precision_asked_for_by_name_is_used(wanted: str, got: torch.dtype) -> None:
    device = open_device(Compute.model_validate({"device": "cpu", "precision": wanted, "threads": 1}))
    assert device.precision == got


def test_auto_takes_the_precision_that_trains_faster() -> None:
    convolution = torch.nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
    pictures = torch.rand(16, 64, 32, 32).contiguous(memory_format=torch.channels_last)

    def time_s(precision: str) -> float:
        device = open_device(Compute.model_validate({"device": "cpu", "precision": precision, "threads": 1}))
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
        device = open_device(Compute.model_validate({"device": "cpu", "precision": name, "threads": 1}))
        with device.autocast():
            assert torch.nn.functional.linear(torch.ones(2, 4), torch.ones(3, 4)).dtype == precision


def test_the_number_of_threads_is_the_param() -> None:
    before = torch.get_num_threads()
    try:
        open_device(Compute(device="cpu", precision="fp32", threads=1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_with_the_mend() -> None:
    with pytest.raises(UserError, match=r"compute\.device is 'cuda'.*auto or cpu"):
        open_device(Compute(device="cuda", precision="auto", threads=1))
