"""Locks between threads, processes and drivers. The kernel frees them when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flows.engine.project import make_state_folder

POLL_S = 0.1
_held: dict[int, Path] = {}


def _forget_locks() -> None:
    # A forked child shares its parent's lock, and must not keep it after the parent was killed.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


@contextmanager
def hold_lock(
    path: Path, on_wait: Callable[[], None] = lambda: None, check: Callable[[], None] = lambda: None
) -> Iterator[bool]:
    """Hold the lock file `path`; yield whether another holder had it first.

    `on_wait` is called when another process holds the lock, not when another thread of this one does. While waiting it
    calls `check`, which can end the wait by raising.
    """
    with ExitStack() as stack:
        waited = not _try_to_hold(path, stack)
        if waited:
            if not find_held(path):
                on_wait()
            while not _try_to_hold(path, stack):
                check()
                time.sleep(POLL_S)
        yield waited


@contextmanager
def hold_some(
    queue: Path, paths: Sequence[Path], count: int, on_wait: Callable[[], None], check: Callable[[], None]
) -> Iterator[list[Path]]:
    """Hold `count` of the lock files `paths`, as they become free, and yield them in order.

    Whoever waits for some holds the lock file `queue`: so two never wait for each other, and those who need few do not
    overtake one who needs many. `on_wait` and `check` are as in `hold_lock`.
    """
    taken: list[Path] = []

    def take() -> None:
        for path in paths:
            if len(taken) < count and path not in taken and _try_to_hold(path, stack):
                taken.append(path)

    with ExitStack() as stack:
        with hold_lock(queue, on_wait, check):
            take()
            if len(taken) < count and not any(find_held(path) for path in paths if path not in taken):
                on_wait()
            while len(taken) < count:
                check()
                time.sleep(POLL_S)
                take()
        yield [path for path in paths if path in taken]


def _try_to_hold(path: Path, stack: ExitStack) -> bool:
    """Hold a lock file until `stack` ends; return whether it was free."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held[descriptor] = path
    stack.callback(_let_go, descriptor)
    return True


def _let_go(descriptor: int) -> None:
    _held.pop(descriptor, None)
    os.close(descriptor)


def find_held(*paths: Path) -> list[int]:
    """Return the open files with which this process holds the locks `paths`.

    A process that inherits such a file holds the lock too: the lock is free when both have closed it, or ended.
    """
    return [descriptor for descriptor, path in list(_held.items()) if path in paths]


def stage_lock(stage: str) -> Path:
    """Return the lock file of one stage of this project."""
    return make_state_folder("locks") / f"{stage}.lock"


os.register_at_fork(after_in_child=_forget_locks)
