"""Clear errors for a full or read-only disk."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def name_disk_faults(folder: Path, needed_bytes: int) -> Iterator[None]:
    """Turn "no space" and "no permission" while writing below `folder` into a UserError with the fix.

    `needed_bytes` is the space that the whole task needs there, as far as it is known.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(_describe_full(folder, needed_bytes)) from error
        if error.errno in _CLOSED:
            raise UserError(
                f"{error.filename or folder} cannot be written ({error.strerror}): get write permission for it."
            ) from error
        raise


def check_free(folder: Path, needed_bytes: int) -> None:
    """Raise UserError when the disk under `folder` has less than `needed_bytes` free."""
    if shutil.disk_usage(folder).free < needed_bytes:
        raise UserError(_describe_full(folder, needed_bytes))


def _describe_full(folder: Path, needed_bytes: int) -> str:
    free_mb = shutil.disk_usage(folder).free / 1e6
    return (
        f"The disk under {folder} is full: {free_mb:.0f} MB are free and {needed_bytes / 1e6:.0f} MB are needed. "
        "Make room (`python -m flows gc` lists what old runs left behind, `--free` deletes it) and run again."
    )
