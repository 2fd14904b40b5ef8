"""Many small pieces of work on all cores, in order, with little in memory."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tasks.machine import count_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4  # results that may wait to be taken, for each core


def map_cores(compute: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield `compute(item)` for each item, in order, computed by one thread a core.

    For work that lets go of the interpreter's lock, as libsndfile, soxr and torch do. However many items there
    are, only a few results wait in memory. An error of `compute` is raised where its result would come.
    """
    cores = count_cores()
    coming: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        for item in items:
            coming.append(pool.submit(compute, item))
            if len(coming) > AHEAD * cores:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
