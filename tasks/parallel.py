"""Maps a function over many items on all cores, in order and with little memory."""

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

AHEAD = 4  # results per core that may wait to be taken


def map_cores(compute: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `compute(item)` for each item, in order, computed by one thread per core.

    For functions that release the interpreter's lock, as libsndfile, soxr and torch do. Only a few results wait in
    memory, however many items there are. An error of `compute` is raised in place of its result.
    """
    cores = count_cores()
    keep_freed_memory()
    pending: deque[Future[Result]] = deque()
    with _limit_torch_threads() as begin, ThreadPoolExecutor(cores, initializer=begin) as pool:
        for item in items:
            pending.append(pool.submit(compute, item))
            if len(pending) > AHEAD * cores:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def _limit_torch_threads() -> Iterator[Callable[[], None]]:
    """Yield a worker's initialiser: it makes torch, if it is imported, use a single thread per worker.

    Every worker already has a core; more threads would wait for each other. Afterwards the number of threads is
    restored.
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
