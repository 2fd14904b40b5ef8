"""Many small pieces of work on all cores, in order, with little in memory."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from tasks.machine import count_cores
from tasks.memory import keep_freed_memory

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4  # results that may wait to be taken, for each core


def map_cores(compute: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `compute(item)` for each item, in order, computed by one thread a core.

    For work that lets go of the interpreter's lock, as libsndfile, soxr and torch do. However many items there
    are, only a few results wait in memory. An error of `compute` is raised where its result would come.
    """
    cores = count_cores()
    keep_freed_memory()
    coming: deque[Future[Result]] = deque()
    with _one_thread_each() as begin, ThreadPoolExecutor(cores, initializer=begin) as pool:
        for item in items:
            coming.append(pool.submit(compute, item))
            if len(coming) > AHEAD * cores:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


@contextmanager
def _one_thread_each() -> Iterator[Callable[[], None]]:
    """Give what a worker does to begin: let torch, where it is in use, not divide one item's work any further.

    Every worker has a core already, and threads that wait for each other on it are slower than one. Threads
    that come later get the number that was set before.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield lambda: None
        return
    before = torch.get_num_threads()
    try:
        yield lambda: torch.set_num_threads(1)
    finally:
        torch.set_num_threads(before)
