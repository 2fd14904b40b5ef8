"""Unpacks zip and tar archives from untrusted sources: nothing outside the folder, all files or none."""

import bz2
import gzip
import hashlib
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tasks.disk import check_free, name_disk_faults
from tasks.errors import UserError
from tasks.report import Report

BLOCK_BYTES = 1 << 20
MAX_ENTRIES = (
    2_000_000  # files and folders: more than any data set of this project has, fewer than the inodes of a disk
)

# A file in one of these formats becomes the only file of its folder, without the suffix.
_PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# An archive by its name or its first bytes, even if it cannot be read.
_ARCHIVE_NAME = re.compile(r"\.(zip|tar|tar\.\w+|t[bgx]z2?)$", re.IGNORECASE)
_ZIP_START = b"PK\x03\x04"

# The errors that zipfile and tarfile raise for a damaged archive.
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError,
    NotImplementedError, UnicodeError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class _Entry:
    name: str
    is_file: bool
    is_folder: bool
    content: IO[bytes] | None


@dataclass(frozen=True)
class _Job:
    archive: str
    out: Path
    max_bytes: int
    claimed_bytes: int


def unpack_archive(archive: Path, out: Path, *, max_bytes: int, report: Report) -> None:
    """Unpack a zip or tar (also gz, bz2, xz) into the empty folder `out`, block by block; a lone file is copied there.

    Bytes are counted while they are written, not taken from the headers. Raises UserError, with `out` emptied, for
    a path outside the folder, a link or device, a name given twice, more than `max_bytes`, a truncated or
    damaged archive, an encrypted one, and a full disk.
    """
    try:
        job = _Job(archive.name, out, max_bytes, _claim_bytes(archive))
        needed_bytes = min(job.claimed_bytes, max_bytes)
        check_free(out, needed_bytes)
        with name_disk_faults(out, needed_bytes):
            _write_entries(_read_entries(archive), job, report)
    except _BROKEN as error:
        _empty_folder(out)
        cause = getattr(error, "strerror", None) or error  # str() of an OSError names the temporary folder
        raise UserError(f"{archive.name} is truncated or damaged ({cause}): download it again.") from error
    except BaseException:
        _empty_folder(out)
        raise


def measure_file(path: Path, like: str = "") -> str:
    """Return a file's digest as `sha256:HEX`; `like` is a digest whose algorithm is used instead, such as `md5:HEX`."""
    algorithm = like.partition(":")[0] or "sha256"
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def refuse_damaged(file: Path) -> None:
    """Raise UserError for an empty file, and for an archive by its name or first bytes that cannot be read as one."""
    if zipfile.is_zipfile(file) or _is_tar(file):
        return
    with file.open("rb") as content:
        start = content.read(len(_ZIP_START))
    if not start or start == _ZIP_START or _ARCHIVE_NAME.search(file.name):
        raise UserError(f"{file.name} ({file.stat().st_size} bytes) is no zip or tar, or truncated: download it again.")


def _write_entries(entries: Iterator[_Entry], job: _Job, report: Report) -> None:
    written = 0
    for count, entry in enumerate(entries, start=1):
        target = _find_target(entry, job)
        if count > MAX_ENTRIES:
            raise UserError(f"{job.archive} holds more than {MAX_ENTRIES} files, the limit: use a smaller archive.")
        if entry.content is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        written = _write_file(entry, job, target=target, written=written)
        report.progress(written, max(written, job.claimed_bytes), "bytes")


def _write_file(entry: _Entry, job: _Job, *, target: Path, written: int) -> int:
    """Write a file and return the bytes of all files so far."""
    assert entry.content is not None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            while block := entry.content.read(BLOCK_BYTES):
                written += len(block)
                if written > job.max_bytes:
                    raise UserError(
                        f"{job.archive} unpacks to more than {job.max_bytes / 1e6:g} MB; "
                        "raise source.max_unpacked_mb if you trust the archive."
                    )
                file.write(block)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{job.archive} holds the name {entry.name!r} twice: create the archive again.") from error
    return written


def _find_target(entry: _Entry, job: _Job) -> Path:
    """Return the path of an entry. Raises UserError when it is outside the folder, a link or a device."""
    names = entry.name.rstrip("/").split("/")
    outside = entry.name.startswith("/") or ".." in names or any(char in entry.name for char in "\\\0")
    if outside:
        raise UserError(f"{job.archive} holds the path {entry.name!r}, outside its own folder: use another archive.")
    if not (entry.is_file or entry.is_folder):
        raise UserError(
            f"{job.archive} holds {entry.name!r}, a link or device: an archive may hold only files and folders."
        )
    return job.out.joinpath(*names)


def _read_entries(archive: Path) -> Iterator[_Entry]:
    if zipfile.is_zipfile(archive):
        return _read_zip(archive)
    if _is_tar(archive):
        return _read_tar(archive)
    refuse_damaged(archive)
    return _read_lone(archive)


def _read_lone(file: Path) -> Iterator[_Entry]:
    """Yield a file that is no archive, such as a table, unpacked if only it is packed."""
    unpack = _PACKED.get(file.suffix.lower())
    with unpack(file) if unpack else file.open("rb") as content:
        yield _Entry(file.stem if unpack else file.name, True, False, content)


def _read_zip(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            is_folder = info.is_dir() and kind in (0, stat.S_IFDIR)
            if info.flag_bits & 0x1:
                raise UserError(f"{archive.name} is encrypted ({info.filename!r}): use an archive without a password.")
            if is_folder or kind not in (0, stat.S_IFREG):
                yield _Entry(info.filename, False, is_folder, None)
                continue
            with opened.open(info) as content:
                yield _Entry(info.filename, True, False, content)


def _read_tar(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive, "r|*") as opened:
        for info in opened:
            content = opened.extractfile(info) if info.isreg() else None
            yield _Entry(info.name, info.isreg(), info.isdir(), content)


def _is_tar(archive: Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except _BROKEN:
        return False


def _claim_bytes(archive: Path) -> int:
    """Return the unpacked size according to the archive; for a tar, which does not state it, the archive's own size."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            return sum(info.file_size for info in opened.infolist())
    return archive.stat().st_size


def _empty_folder(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
