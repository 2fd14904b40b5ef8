"""Locks between threads, processes and drivers. The kernel frees them when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    descriptor = _open(path)
    try:
        waited = not _take(descriptor, path)
        if waited:
            if not find_held(path):
                on_wait()
            while not _take(descriptor, path):
                check()
                time.sleep(POLL_S)
        yield waited
    finally:
        _release(descriptor)


@contextmanager
def hold_some(
    queue: Path, paths: Sequence[Path], count: int, on_wait: Callable[[], None], check: Callable[[], None]
) -> Iterator[list[Path]]:
    """Hold `count` of the lock files `paths`, as they become free, and yield them in order.

    While it waits, it holds the lock file `queue`. So no two callers wait for each other, and a caller that needs few
    does not overtake one that needs many. `on_wait` and `check` are as in `hold_lock`.
    """
    files: dict[Path, int] = {}
    taken: list[Path] = []

    def take() -> None:
        for path in paths:
            if len(taken) < count and path not in taken and _take(files[path], path):
                taken.append(path)

    try:
        with hold_lock(queue, on_wait, check):
            # Not before: hundreds of callers may wait for the queue, and a process can open only so many files.
            files |= {path: _open(path) for path in paths}
            take()
            if len(taken) < count and not any(find_held(path) for path in paths if path not in taken):
                on_wait()
            while len(taken) < count:
                check()
                time.sleep(POLL_S)
                take()
        for path in files.keys() - set(taken):
            _release(files.pop(path))
        yield [path for path in paths if path in taken]
    finally:
        for descriptor in files.values():
            _release(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _take(descriptor: int, path: Path) -> bool:
    """Lock an open lock file; return whether it was free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _held[descriptor] = path
    return True


def _release(descriptor: int) -> None:
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
