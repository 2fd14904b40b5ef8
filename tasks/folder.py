"""Copies a folder of data that a person gave, and measures it."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks.archives import measure_file
from tasks.disk import name_disk_faults
from tasks.errors import UserError
from tasks.report import Report

BLOCK_BYTES = 1 << 26


def copy_folder(folder: Path, out: Path, report: Report) -> None:
    """Copy the files of a folder, without hidden ones, into the empty folder `out`; say their number, size and digest.

    The copies share the blocks of the originals where the file system can do that (btrfs, XFS). Links would be wrong:
    DVC makes its files read-only, and an edit of an original would change a result. The digest is the sha256 of
    the lines that `sha256sum` prints of the files, sorted by name. Raises UserError when there is no file, when one
    cannot be read, for a link to a folder, since DVC would not see changes in it, and for a full disk.
    """
    names = sorted(_list_files(folder, folder))
    if not names:
        raise UserError(f"source.archive {folder} holds no file: set it to a folder with data.")
    total_bytes = sum((folder / name).stat().st_size for name in names)
    digest = hashlib.sha256()
    for done, name in enumerate(names, start=1):
        digest.update(os.fsencode(f"{_measure(folder / name)}  {name}\n"))
        target = out / name
        with name_disk_faults(out, total_bytes):
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy_file(folder / name, target)
        report.progress(done, len(names), "files")
    report.say(f"{folder.name}: {len(names)} files, {total_bytes / 1e6:.1f} MB, sha256:{digest.hexdigest()}")


def _list_files(folder: Path, root: Path) -> Iterator[str]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and path.is_symlink():
            raise UserError(
                f"{path} is a link to a folder, in which changes would go unnoticed: put the folder itself there."
            )
        if path.is_dir():
            yield from _list_files(path, root)
        elif path.is_file():
            yield path.relative_to(root).as_posix()
        else:
            raise UserError(f"{path} is no file, or a link to none: remove it.")


def _measure(path: Path) -> str:
    try:
        return measure_file(path).removeprefix("sha256:")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): change its permissions.") from error


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("xb") as write:
        with contextlib.suppress(OSError, AttributeError):  # not on every system and file system
            while os.copy_file_range(read.fileno(), write.fileno(), BLOCK_BYTES):
                pass
        shutil.copyfileobj(read, write)  # what is left
