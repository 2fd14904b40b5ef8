"""Errors that a person can mend, and how they are told apart from faults of the code."""

import errno
import sqlite3

# A disk that is full, or refuses: no fault of the code, and the mend is outside it.
DISK_FAULTS = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
    errno.EACCES: "give write permission to it",
    errno.EPERM: "give write permission to it",
    errno.EROFS: "mount it writable",
    errno.ENOTDIR: "move the file that stands in place of a folder",
    errno.EEXIST: "move the file that stands in place of a folder",
}


class EngineError(Exception):
    """Something a person can mend: the message names the value, the rule and the command that mends it."""


class TaskError(Exception):
    """A fault of a task's code: what it raised, with the traceback of the stage's process as a note."""


def is_mendable(error: BaseException) -> bool:
    """Tell whether the message alone says what to do, so that a traceback would only hide it.

    Tasks have an error of their own, which the engine knows by its name: it imports no task.
    """
    if isinstance(error, OSError):
        return error.errno in DISK_FAULTS
    return isinstance(error, EngineError | sqlite3.OperationalError) or type(error).__name__ == "UserError"


def explain(error: BaseException) -> str:
    """Return what a person should read of a mendable error."""
    if isinstance(error, OSError) and error.errno in DISK_FAULTS:
        return f"{error.filename or 'a file'}: {error.strerror}; {DISK_FAULTS[error.errno]}, then run again"
    if isinstance(error, sqlite3.OperationalError):
        return f"a database of DVC's or MLflow's: {error}; `python -m flows doctor` says whether the disk is full"
    return str(error)
