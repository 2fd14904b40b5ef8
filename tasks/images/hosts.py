"""Work on many hosts at once: never too much on one, and no host keeps the others waiting."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_hosts(
    compute: Callable[[Item], Result], items: Mapping[str, Sequence[Item]], *, workers: int, per_host: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with `compute(item)` as it is done, by `workers` threads, `per_host` of them at one host.

    `items` are given by host. The hosts take turns: when an item is done, the next one of its host queues up
    behind those of the others, so that a slow host delays its own items only. An error of `compute` is raised
    here and ends the work.
    """
    waiting = {host: deque(each) for host, each in items.items()}
    running: dict[Future[Result], tuple[str, Item]] = {}
    done: SimpleQueue[Future[Result]] = SimpleQueue()
    with ThreadPoolExecutor(workers) as pool:

        def begin(host: str) -> None:
            if waiting[host]:
                item = waiting[host].popleft()
                future = pool.submit(compute, item)
                running[future] = (host, item)
                future.add_done_callback(done.put)

        try:
            for host in waiting:
                for _ in range(per_host):
                    begin(host)
            while running:
                future = done.get()
                host, item = running.pop(future)
                begin(host)
                yield item, future.result()
        finally:
            pool.shutdown(cancel_futures=True)
