"""Errors that a user can fix, and how they are distinguished from bugs."""

import errno
import os
import shlex
import sqlite3
from pathlib import Path

# A disk that is full or read-only is not a bug; these texts say what to do.
DISK_FAULTS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the file size limit (`ulimit -f unlimited`)",
    errno.EACCES: "make it readable and writable (`chmod u+rwX`)",
    errno.EPERM: "make it writable (`chmod u+w`)",
    errno.EROFS: "mount it read-write",
    errno.ENOTDIR: "move the file whose name a folder needs",
    errno.EEXIST: "move the file whose name a folder needs",
}


class EngineError(Exception):
    """An error that a user can fix: the message names the value, the rule and the command that fixes it."""


class KilledError(EngineError):
    """The process of a stage was killed."""


class TaskError(Exception):
    """A bug in a task's code: the task's exception, with the traceback of the stage's process as a note."""


def is_fixable(error: BaseException) -> bool:
    """Return whether the message alone says what to do, so that a traceback would only hide it.

    The engine imports no task, so it recognises the tasks' own error class by its name.
    """
    if isinstance(error, OSError):
        return error.errno in DISK_FAULTS
    return isinstance(error, EngineError | sqlite3.OperationalError) or type(error).__name__ == "UserError"


def explain(error: BaseException) -> str:
    """Return the message to print for an error that a user can fix."""
    if isinstance(error, PermissionError) and error.errno == errno.EACCES and error.filename:
        return f"{error.filename}: {error.strerror}; {fix_access(Path(os.fsdecode(error.filename)))}, then run again"
    if isinstance(error, OSError) and error.errno in DISK_FAULTS:
        return f"{error.filename or 'a file'}: {error.strerror}; {DISK_FAULTS[error.errno]}, then run again"
    if isinstance(error, sqlite3.OperationalError):
        return f"DVC's or MLflow's database failed: {error}; `python -m flows doctor` checks whether the disk is full"
    return str(error)


def fix_access(path: Path) -> str:
    """Return how this user comes to write `path`, a file or folder that may not exist yet."""
    places = [place for place in (path.absolute(), *path.absolute().parents) if os.access(place, os.F_OK)]
    barred = next((place for place in places[:2] if not os.access(place, os.W_OK)), places[0])
    if barred.stat().st_uid == os.geteuid():
        return f"`chmod u+rwX {shlex.quote(str(barred))}`"
    if barred.is_relative_to(Path.cwd()):  # that user's other files would be refused next
        return f"{barred} belongs to another user: work in a checkout of your own, `git clone {Path.cwd()}`"
    return f"{barred} belongs to another user: name a place of your own"
