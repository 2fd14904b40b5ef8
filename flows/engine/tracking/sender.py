"""The one process of a project that talks to MLflow: `python -m flows.engine.tracking.sender ROOT [LINGER_S]`.

It follows the journals in `.trifold/outbox/` while they grow, and ends when none is left and none is written.
"""

import fcntl
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from flows.engine.machine import identify
from flows.engine.tracking.journal import SENDER, TROUBLE
from flows.engine.tracking.mlflow_store import describe_trouble, list_troubles, open_store, prepare_environment
from flows.engine.tracking.outbox import find_outbox, list_journals, write_json

if TYPE_CHECKING:
    from flows.engine.tracking.sampler import Sampler
    from flows.engine.tracking.tracker import Tracker

POLL_S = 0.5
LONGEST_WAIT_S = 30.0
NICENESS = 10
log = logging.getLogger(__name__)


def main(root: Path, linger_s: float) -> None:
    """Send the project's journals, unless another sender is at work."""
    os.chdir(root)
    os.nice(NICENESS)
    prepare_environment()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    find_outbox(Path()).mkdir(parents=True, exist_ok=True)
    # A journal begun just before the lock was let go had its own sender turned away: so look once more.
    while _send_alone(linger_s) and any(journal.is_live() for journal in list_journals(Path())):
        log.info("a journal was begun meanwhile")


def _send_alone(linger_s: float) -> bool:
    """Send while holding the sender's lock, and return whether it could be had."""
    with Path(".trifold/sender.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        write_json(find_outbox(Path()) / SENDER, identify().as_dict())
        follow_journals(linger_s)
    return True


def follow_journals(linger_s: float) -> None:
    """Send journals until none is left, or none is written any more and the tracker does not answer."""
    from flows.engine.tracking.sampler import Sampler

    sampler, tracker = Sampler().start(), None
    _note_trouble(None)
    wait_s, busy_at = POLL_S, time.monotonic()
    while True:
        why = None
        try:
            tracker = tracker or _open_tracker()
            _send_all(tracker, sampler)
        except list_troubles() as error:
            why = _log_trouble(error)
        except Exception as error:
            _note_trouble(_log_trouble(error))
            raise
        _note_trouble(why)
        journals = list_journals(Path())
        if any(journal.is_live() or not journal.has_writer() for journal in journals):
            busy_at = time.monotonic()
        if why and not any(journal.is_live() for journal in journals):
            return
        if time.monotonic() - busy_at >= linger_s and not any(not j.is_foreign for j in journals):
            return
        wait_s = min(wait_s * 2, LONGEST_WAIT_S) if why else POLL_S
        time.sleep(wait_s)


def _send_all(tracker: "Tracker", sampler: "Sampler") -> None:
    """Send what every journal holds, then close those that have ended, the youngest (children) first."""
    from flows.engine.tracking.replay import close_journal, send_journal

    journals = list_journals(Path())
    ended = [journal for journal in journals if not journal.has_writer()]
    for journal in journals:
        send_journal(journal, tracker, sampler)
    for journal in reversed(ended):
        close_journal(journal, tracker, sampler)


def _open_tracker() -> "Tracker":
    """Open the store, and close what was left running."""
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
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
