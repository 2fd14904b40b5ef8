"""Leases in DVC's remote: what one driver computes now, another one waits for instead of computing it too.

A lease is a file named by the run-cache key. Its holder writes another text into it every few seconds; a text that no
longer changes belongs to a holder that died. No clocks are compared, and nothing is wrong when two drivers take a
lease at once: the first result that is recorded stays.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from flows.engine.cache import shared

AFTER_S = 5.0  # shorter work is not worth a lease
BEAT_S = 10.0
STALE_S = 30.0
POLL_S = 2.0
WHAT = "DVC's remote takes no leases, so that another machine may compute the same"

# Beats must not wait for files that are being sent.
_beater = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lease")


@contextmanager
def hold_lease(key: str) -> Iterator[None]:
    """Hold the lease of a result in this block. After success it stays until the result is sent, or is stale."""
    ended, has_succeeded = threading.Event(), False
    beats = threading.Thread(target=_beat, args=(key, ended), name="lease", daemon=True)
    beats.start()
    try:
        yield
        has_succeeded = True
    finally:
        ended.set()
        beats.join()
        if not has_succeeded:
            drop_lease(key)


def drop_lease(key: str) -> None:
    """End the lease of a result, if this process has written one."""
    if key in shared.leased:
        _beater.submit(_drop, key).result()


def await_holder(key: str, check: Callable[[], None], on_wait: Callable[[], None]) -> bool:
    """Wait as long as another driver holds a result's lease; return whether there was one."""
    before, since_s = "", time.monotonic()
    while text := shared.ask(lambda remote: remote.read_lease(key), check):
        if not before:
            on_wait()
        if text != before:
            before, since_s = text, time.monotonic()
        if time.monotonic() - since_s > STALE_S:
            break
        shared.sleep(POLL_S, check)
    return bool(before)


def _beat(key: str, ended: threading.Event) -> None:
    wait_s = AFTER_S
    while not ended.wait(wait_s):
        _beater.submit(_write, key).result()
        wait_s = BEAT_S


def _write(key: str) -> None:
    with shared.survive(WHAT):
        shared.leased.add(key)
        shared.open_remote().write_lease(key, secrets.token_hex(8))


def _drop(key: str) -> None:
    with shared.survive(WHAT):
        shared.open_remote().drop_lease(key)
