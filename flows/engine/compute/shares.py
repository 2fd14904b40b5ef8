"""What a stage has of this machine: a training some cores or GPUs to itself, any other stage one of a few places."""

from __future__ import annotations

import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.engine.graph.stage import Stage
from flows.engine.locks import POLL_S, hold_some
from flows.engine.machine import list_gpus

# The locks of a share are handed to the stage's process, and one message carries at most 253 open files.
MOST_CORES = 240


@dataclass(frozen=True)
class Share:
    """The numbers of the cores (none: all), the GPUs as CUDA names them (none: any), and the locks of both."""

    cores: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()
    locks: tuple[Path, ...] = ()


@contextmanager
def hold_share(stage: Stage, on_wait: Callable[[], None], check: Callable[[], None]) -> Iterator[Share]:
    """Hold the share of the machine that a stage that learns needs, as soon as it is free.

    Two trainings on the same cores, or the same GPU, are far slower than one after the other. A stage that does not say
    what it needs gets all cores. `on_wait` and `check` are as in `hold_lock`.
    """
    cores_share, n_gpus = next((need for section in stage.list_sections() if (need := section.need())), (1.0, 0))
    if n_gpus and (gpus := list_gpus()):
        with _hold("gpu", gpus, min(n_gpus, len(gpus)), on_wait, check) as (held, locks):
            yield Share(gpus=held, locks=locks)
        return
    cores = _list_cores()
    count = math.ceil(round(cores_share * len(cores), 6))
    with _hold("core", cores, count, on_wait, check) as (held, locks):
        yield Share(cores=tuple(map(int, held)) if count < len(cores) else (), locks=locks)


@contextmanager
def hold_place(check: Callable[[], None]) -> Iterator[None]:
    """Hold one of as many places as there are cores, for a stage that does not learn.

    Such a stage may use all cores; of a flow's many shards, only so many are computed at once and in memory. `check` is
    called while waiting, and may raise.
    """
    while not _places.acquire(timeout=POLL_S):
        check()
    try:
        yield
    finally:
        _places.release()


@contextmanager
def _hold(
    kind: str, names: Sequence[str], count: int, on_wait: Callable[[], None], check: Callable[[], None]
) -> Iterator[tuple[tuple[str, ...], tuple[Path, ...]]]:
    """Hold `count` of the cores or GPUs with these names; yield which, and their locks."""
    files = {_find_lock(f"{kind}-{name}"): name for name in names}
    with hold_some(_find_lock("queue"), list(files), count, on_wait, check) as locks:
        yield tuple(files[lock] for lock in locks), tuple(locks)


def _list_cores() -> list[str]:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return [str(core) for core in cores][:MOST_CORES]


_places = threading.BoundedSemaphore(max(2, len(_list_cores())))


def _find_lock(name: str) -> Path:
    folder = Path(tempfile.gettempdir()) / f"trifold-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.lock"
