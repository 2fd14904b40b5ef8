"""Unpacking archives that nobody vouches for: zip and tar, nothing outside the folder, all or nothing."""

import hashlib
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tasks.disk import check_free, name_disk_faults
from tasks.errors import UserError
from tasks.report import Report

BLOCK_BYTES = 1 << 20
MAX_MEMBERS = 2_000_000  # files and folders; more than any data set here needs, fewer than a disk's inodes

# What zipfile and tarfile let through when the bytes are not what they should be.
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError,
    NotImplementedError, UnicodeError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class _Member:
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
    """Unpack a zip or tar (also gz, bz2, xz) into the empty folder `out`, block by block.

    Bytes are counted as they are written, whatever the headers claim. Raises UserError, with `out` emptied, for
    a path outside the folder, a link or device, a name given twice, more than `max_bytes`, a truncated or
    damaged archive, an encrypted one, and a full disk.
    """
    try:
        job = _Job(archive.name, out, max_bytes, _claim_bytes(archive))
        needed_bytes = min(job.claimed_bytes, max_bytes)
        check_free(out, needed_bytes)
        with name_disk_faults(out, needed_bytes):
            _write_members(_read_members(archive), job, report)
    except _BROKEN as error:
        _empty_folder(out)
        cause = getattr(error, "strerror", None) or error  # an OSError's own text names the temporary folder
        raise UserError(f"{archive.name} is truncated or damaged ({cause}); fetch it again.") from error
    except BaseException:
        _empty_folder(out)
        raise


def digest_file(path: Path) -> str:
    """Return a file's sha256 as hex digits, read block by block."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_members(members: Iterator[_Member], job: _Job, report: Report) -> None:
    written = 0
    for count, member in enumerate(members, start=1):
        target = _find_target(member, job)
        if count > MAX_MEMBERS:
            raise UserError(f"{job.archive} holds more than {MAX_MEMBERS} files; it is no data set for this project.")
        if member.content is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        written = _write_file(member, job, target=target, written=written)
        report.progress(written, max(written, job.claimed_bytes), "bytes")


def _write_file(member: _Member, job: _Job, *, target: Path, written: int) -> int:
    """Write one file and return how many bytes all files have by now."""
    assert member.content is not None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            while block := member.content.read(BLOCK_BYTES):
                written += len(block)
                if written > job.max_bytes:
                    raise UserError(
                        f"{job.archive} unpacks to more than {job.max_bytes / 1e6:g} MB; "
                        "raise source.max_unpacked_mb if you trust it."
                    )
                file.write(block)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{job.archive} holds the name {member.name!r} twice; make the archive anew.") from error
    return written


def _find_target(member: _Member, job: _Job) -> Path:
    """Return where a member belongs, or refuse it."""
    parts = member.name.rstrip("/").split("/")
    outside = member.name.startswith("/") or ".." in parts or any(char in member.name for char in "\\\0")
    if outside:
        raise UserError(f"{job.archive} holds the path {member.name!r}, outside its own folder; do not trust it.")
    if not (member.is_file or member.is_folder):
        raise UserError(f"{job.archive} holds {member.name!r}, a link or device; only files and folders are unpacked.")
    return job.out.joinpath(*parts)


def _read_members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        return _read_zip(archive)
    if _is_tar(archive):
        return _read_tar(archive)
    raise UserError(f"{archive.name} is no zip or tar, or truncated ({archive.stat().st_size} bytes); fetch it again.")


def _read_zip(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            is_folder = info.is_dir() and kind in (0, stat.S_IFDIR)
            if info.flag_bits & 0x1:
                raise UserError(f"{archive.name} is encrypted ({info.filename!r}); give an open archive.")
            if is_folder or kind not in (0, stat.S_IFREG):
                yield _Member(info.filename, False, is_folder, None)
                continue
            with opened.open(info) as content:
                yield _Member(info.filename, True, False, content)


def _read_tar(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive, "r|*") as opened:
        for info in opened:
            content = opened.extractfile(info) if info.isreg() else None
            yield _Member(info.name, info.isreg(), info.isdir(), content)


def _is_tar(archive: Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except _BROKEN:
        return False


def _claim_bytes(archive: Path) -> int:
    """Return what the archive says that it unpacks to (a tar does not say: its own size)."""
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
