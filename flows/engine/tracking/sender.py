"""The one process of a project that sends to MLflow: `python -m flows.engine.tracking.sender ROOT SETTINGS`.

It follows the journals in `.trifold/outbox/` while they grow, and stays between runs, because importing MLflow takes
some seconds. It ends when no journal is open and none came for `IDLE_S`; when its code, its store or the
project's folder changed; with `python -m flows down`; and before a run with other settings (`name_settings`).
"""

import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from flows.engine.machine import identify
from flows.engine.tracking.journal import SENDER, TROUBLE, sign_code
from flows.engine.tracking.mlflow_store import (
    LOCAL_FILE,
    describe_trouble,
    list_troubles,
    open_store,
    prepare_environment,
)
from flows.engine.tracking.outbox import OutgoingJournal, find_outbox, list_journals, read_json, write_json

if TYPE_CHECKING:
    from flows.engine.tracking.sampler import Sampler
    from flows.engine.tracking.tracker import Tracker

POLL_S = 0.5
LONGEST_WAIT_S = 30.0
IDLE_S = 600.0
NICENESS = 10
NEXT_LOCK = ".trifold/sender-next.lock"
log = logging.getLogger(__name__)
_stop = threading.Event()


def main(root: Path, settings: str) -> None:
    """Send the project's journals, unless a sender with the same settings runs already."""
    os.chdir(root)
    os.nice(NICENESS)
    signal.signal(signal.SIGTERM, lambda number, frame: _stop.set())
    prepare_environment()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    find_outbox(Path()).mkdir(parents=True, exist_ok=True)
    # A journal that began just before the lock was released found this sender running, so check once more.
    while (seen := _send_alone(settings)) is not None and not _stop.is_set():
        if not {journal.name for journal in _list_own(settings)} - seen:
            return
        log.info("a journal was begun meanwhile")


def _send_alone(settings: str) -> frozenset[str] | None:
    """Send while holding the sender's lock, and return the journals seen; None if another sender will send them."""
    record = find_outbox(Path()) / SENDER
    with Path(".trifold/sender.lock").open("a") as lock:
        with Path(NEXT_LOCK).open("a") as turn:
            # At most one sender waits for a sender with other settings to finish its journals and end.
            if not _lock(turn):
                return None
            while not _lock(lock):
                if read_json(record).get("settings") == settings or not record.parent.is_dir() or _stop.wait(POLL_S):
                    return None
        write_json(record, {"settings": settings, "process": identify().as_dict()})
        try:
            return follow_journals(IDLE_S, settings)
        finally:
            record.unlink(missing_ok=True)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _list_own(settings: str, left: frozenset[str] = frozenset()) -> list[OutgoingJournal]:
    """Return the journals for a sender with these settings, and those that existed when it started (`left`)."""
    return [j for j in list_journals(Path()) if j.name in left or j.opening.get("settings") == settings]


def follow_journals(idle_s: float, settings: str = "") -> frozenset[str]:
    """Send journals until no journal is open and none came for `idle_s`, or there is another reason to end.

    It sends the journals that exist at its start, and later ones with the same settings. Returns the journals it saw.
    """
    from flows.engine.tracking.sampler import Sampler

    sampler, tracker, store = Sampler().start(), None, None
    left, code = frozenset(journal.name for journal in list_journals(Path())), sign_code()
    _note_trouble(None)
    wait_s, busy_s = POLL_S, time.monotonic()
    while True:
        why, is_last = None, _stop.is_set()
        try:
            if tracker is None:
                tracker, store = _open_tracker(), _sign_store()
            _send_all(_list_own(settings, left), tracker, sampler)
        except list_troubles() as error:
            why = _log_trouble(error)
        except Exception as error:
            _note_trouble(_log_trouble(error))
            raise
        _note_trouble(why)
        journals = _list_own(settings, left)
        if any(journal.is_live() or not (why or journal.has_writer()) for journal in journals):
            busy_s = time.monotonic()
        elif time.monotonic() - busy_s >= idle_s or _is_spent(code, store):
            is_last = True
        if is_last:
            return frozenset(journal.name for journal in journals)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S) if why else POLL_S
        _wait(wait_s)


def _is_spent(code: str, store: int | None) -> bool:
    """Return whether another sender waits for this one, or the code, MLflow's local file or the project changed."""
    if not find_outbox(Path()).is_dir() or code != sign_code() or store not in (None, _sign_store()):
        return True
    with Path(NEXT_LOCK).open("a") as turn:
        return not _lock(turn)


def _wait(seconds: float) -> None:
    """Wait until the time is up, a journal appears, or this process is asked to stop."""
    names = {journal.name for journal in list_journals(Path())}
    due_s = time.monotonic() + seconds
    while not _stop.wait(POLL_S) and time.monotonic() < due_s:
        if {journal.name for journal in list_journals(Path())} - names:
            return


def _sign_store() -> int | None:
    """Return the identity of MLflow's local file, which changes when it is replaced; None if there is none."""
    return LOCAL_FILE.stat().st_ino if LOCAL_FILE.exists() else None


def _send_all(journals: list[OutgoingJournal], tracker: "Tracker", sampler: "Sampler") -> None:
    """Send the new events of journals, then close the finished ones, the newest (children) first."""
    from flows.engine.tracking.replay import close_journal, send_journal

    ended = [journal for journal in journals if not journal.has_writer()]
    for journal in journals:
        send_journal(journal, tracker, sampler)
    for journal in reversed(ended):
        close_journal(journal, tracker, sampler)


def _open_tracker() -> "Tracker":
    """Open the store, and close runs whose process is gone."""
    from flows.engine.tracking.tracker import Tracker

    tracker = Tracker(open_store())
    tracker.close_zombies(socket.gethostname(), [journal.name for journal in list_journals(Path())])
    return tracker


def _log_trouble(error: Exception) -> str:
    why = describe_trouble(error)
    log.warning("%s", why)
    return why


def _note_trouble(why: str | None) -> None:
    path = find_outbox(Path()) / TROUBLE
    if why and path.parent.exists():
        write_json(path, {"why": why, "since_s": round(time.time())})
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
