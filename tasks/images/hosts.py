"""Concurrent work on many hosts: a limit for each host, and a slow host does not delay the others."""

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
    """Yield each item with `compute(item)` as soon as it is done; at most `per_host` of `workers` threads use one host.

    `items` are grouped by host. The hosts take turns: when an item is done, its host's next item queues behind those
    of the other hosts, so a slow host delays only its own items. An error in `compute` is raised here and ends the
    work.
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
