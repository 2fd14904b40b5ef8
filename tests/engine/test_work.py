"""The thread that a stage computes in."""

from __future__ import annotations

import threading
import time

import psutil
import pytest

from flows.engine.compute.work import _call_in_own_thread
from flows.engine.console import StageReport


def wait_for_threads(at_most: int) -> int:
    """Return how many threads this process has, after giving those that end a moment to do so."""
    for _ in range(100):
        if psutil.Process().num_threads() <= at_most:
            break
        time.sleep(0.02)
    return psutil.Process().num_threads()


def test_openmp_threads_of_a_stage_end_with_it() -> None:
    import torch

    seen: list[int] = []

    def compute() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        torch.randn(64, 256, 256).exp()
        seen.append(psutil.Process().num_threads())
        torch.set_num_threads(before)

    _call_in_own_thread(compute, {}, StageReport("tiny"))  # torch keeps some threads of its own from then on
    time.sleep(0.2)
    before = psutil.Process().num_threads()
    for _ in range(3):
        _call_in_own_thread(compute, {}, StageReport("tiny"))
        assert wait_for_threads(before) == before
    assert max(seen) > before + 1, "OpenMP did help"


def test_what_a_stage_raises_is_raised() -> None:
    def fail(number: int) -> None:
        raise ValueError(f"{number} in {threading.current_thread().name}")

    with pytest.raises(ValueError, match="7 in stage"):
        _call_in_own_thread(fail, {"number": 7}, StageReport("tiny"))
