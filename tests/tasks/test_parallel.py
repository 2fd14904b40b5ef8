"""Work on all cores comes back in order, and little of it waits."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tasks.machine import count_cores
from tasks.parallel import AHEAD, map_cores


def test_results_come_in_order_whatever_ends_first() -> None:
    def wait(item: int) -> int:
        time.sleep(0.001 * (item % 3))
        return item

    assert list(map_cores(wait, range(50))) == list(range(50))


def test_only_a_few_results_wait() -> None:
    begun = threading.Semaphore(0)
    results = map_cores(lambda item: begun.release(), range(1000))
    next(results)
    time.sleep(0.05)
    assert sum(begun.acquire(blocking=False) for _ in range(1000)) <= AHEAD * count_cores() + 1
    results.close()  # type: ignore[attr-defined]


def test_an_error_comes_where_its_result_would() -> None:
    results = map_cores(lambda item: 1 // item, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_torch_works_with_one_thread_in_a_worker_and_as_before_elsewhere() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(map_cores(lambda item: torch.get_num_threads(), range(6))) == [1] * 6
        assert torch.get_num_threads() == 2
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)
