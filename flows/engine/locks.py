"""Locks between threads, processes and drivers. The kernel frees them when their holder dies."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
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
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    waited = False
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = True
            if not find_held(path):
                on_wait()
            _wait_for(descriptor, check)
        _held[descriptor] = path
        yield waited
    finally:
        _held.pop(descriptor, None)
        os.close(descriptor)


def _wait_for(descriptor: int, check: Callable[[], None]) -> None:
    while True:
        check()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(POLL_S)


def find_held(*paths: Path) -> list[int]:
    """Return the open files with which this process holds the locks `paths`.

    A process that inherits such a file holds the lock too: the lock is free when both have closed it, or ended.
    """
    return [descriptor for descriptor, path in list(_held.items()) if path in paths]


def stage_lock(stage: str) -> Path:
    """Return the lock file of one stage of this project."""
    return make_state_folder("locks") / f"{stage}.lock"


def training_lock() -> Path:
    """Return the machine's lock file for training: two trainings at once are far slower than one after the other."""
    return Path(tempfile.gettempdir()) / f"trifold-training-{os.getuid()}.lock"


os.register_at_fork(after_in_child=_forget_locks)
