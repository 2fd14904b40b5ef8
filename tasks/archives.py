"""Unpacks zip and tar archives from untrusted sources: nothing outside the folder, all files or none."""

import bz2
import errno
import gzip
import hashlib
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from tasks.disk import check_free, name_disk_faults
from tasks.errors import UserError
from tasks.file_formats import name_format
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
_START_BYTES = 16
# How a zip's member is compressed, by the number in its header.
_METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "zstd", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd"}
_UTF8_FLAG = 0x800  # set where a zip's member has its name in UTF-8
_OLD = "cp437"  # the encoding of the other names

# The errors that zipfile and tarfile raise for a damaged archive.
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError,
    NotImplementedError, UnicodeError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class _Entry:
    """A member of an archive; `link` names the earlier member that a hard link shares its content with, else ""."""

    name: str
    is_file: bool
    is_folder: bool
    content: IO[bytes] | None
    link: str = ""


@dataclass(frozen=True)
class _Job:
    archive: str
    out: Path
    max_bytes: int
    claimed_bytes: int
    too_long: list[str] = field(default_factory=list)  # the names that were set aside


def unpack_archive(archive: Path, out: Path, *, max_bytes: int, report: Report) -> None:
    """Unpack a zip or tar (also gz, bz2, xz) into the empty folder `out`, block by block; a lone file is copied there.

    Bytes are counted while they are written, not taken from the headers. A backslash in a zip separates folders, as
    Windows means it. A file whose name is too long for the disk is set aside, which `report` says. Raises UserError,
    with `out` emptied, for a path outside the folder, a symbolic link or device, a hard link to no earlier file, a name
    given twice, more than `max_bytes`, a truncated, damaged or encrypted archive, another format, and a full disk.
    """
    try:
        job = _Job(archive.name, out, max_bytes, _claim_bytes(archive))
        needed_bytes = min(job.claimed_bytes, max_bytes)
        check_free(out, needed_bytes)
        with name_disk_faults(out, needed_bytes):
            _write_entries(_read_entries(archive, report), job, report)
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
    with file.open("rb") as content:
        start = content.read(_START_BYTES)
    if kind := name_format(start):
        raise UserError(f"{file.name} is {kind}, and use the result.")
    if _is_tar(file) or zipfile.is_zipfile(file):
        return
    if not start:
        raise UserError(f"{file.name} is empty (0 bytes): download or create it again.")
    if start.startswith(_ZIP_START) or _ARCHIVE_NAME.search(file.name):
        raise UserError(f"{file.name} ({file.stat().st_size} bytes) is no zip or tar, or truncated: download it again.")


def _write_entries(entries: Iterator[_Entry], job: _Job, report: Report) -> None:
    written = 0
    for count, entry in enumerate(entries, start=1):
        target = _find_target(entry, job)
        if count > MAX_ENTRIES:
            raise UserError(f"{job.archive} holds more than {MAX_ENTRIES} files, the limit: use a smaller archive.")
        written = _write_entry(entry, job, target=target, written=written)
        report.progress(written, max(written, job.claimed_bytes), "bytes")
    if job.too_long:
        report.say(
            f"{len(job.too_long)} names in {job.archive} are set aside: they are longer than the disk allows, 255 "
            f"bytes (such as {job.too_long[0][:80]!r}...). To use their files, shorten them."
        )


def _write_entry(entry: _Entry, job: _Job, *, target: Path, written: int) -> int:
    """Write a file or folder and return the bytes of all files so far."""
    try:
        if entry.is_folder:
            target.mkdir(parents=True, exist_ok=True)
            return written
        target.parent.mkdir(parents=True, exist_ok=True)
        with entry.content or _open_linked(entry, job) as content, target.open("xb") as file:
            while block := content.read(BLOCK_BYTES):
                written += len(block)
                if written > job.max_bytes:
                    raise UserError(
                        f"{job.archive} unpacks to more than {job.max_bytes / 1e6:g} MB; "
                        "raise source.max_unpacked_mb if you trust the archive."
                    )
                file.write(block)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{job.archive} holds the name {entry.name!r} twice: create the archive again.") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        job.too_long.append(entry.name)
    return written


def _open_linked(entry: _Entry, job: _Job) -> IO[bytes]:
    """Open the unpacked file that a hard link shares its content with."""
    linked = _find_target(replace(entry, name=entry.link), job)
    if not linked.is_file():
        raise UserError(
            f"{job.archive} holds {entry.name!r}, a link to {entry.link!r}, which is no earlier file of the archive: "
            "create the archive again."
        )
    return linked.open("rb")


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


def _read_entries(archive: Path, report: Report) -> Iterator[_Entry]:
    refuse_damaged(archive)
    if _is_tar(archive):  # asked first, because a tar that ends in a zip, such as a spreadsheet, looks like a zip
        return _read_tar(archive)
    if zipfile.is_zipfile(archive):
        return _read_zip(archive, report)
    return _read_lone(archive)


def _read_lone(file: Path) -> Iterator[_Entry]:
    """Yield a file that is no archive, such as a table, unpacked if only it is packed."""
    unpack = _PACKED.get(file.suffix.lower())
    with unpack(file) if unpack else file.open("rb") as content:
        yield _Entry(file.stem if unpack else file.name, True, False, content)


def _read_zip(archive: Path, report: Report) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        for info, name in zip(infos, _decode_names(infos, archive.name, report), strict=True):
            kind = stat.S_IFMT(info.external_attr >> 16)
            is_folder = name.endswith("/") and kind in (0, stat.S_IFDIR)
            if info.flag_bits & 0x1:
                raise UserError(f"{archive.name} is encrypted ({name!r}): use an archive without a password.")
            if is_folder or kind not in (0, stat.S_IFREG):
                yield _Entry(name, False, is_folder, None)
                continue
            with _open_member(opened, info, archive) as content:
                yield _Entry(name, True, False, content)


def _decode_names(infos: Sequence[zipfile.ZipInfo], archive: str, report: Report) -> list[str]:
    """Return the members' names, and say it if their encoding is a guess; a backslash separates folders."""
    unmarked = [info.filename.encode(_OLD) for info in infos if _is_unmarked(info)]
    encoding = "utf-8" if _is_utf8(unmarked) else _OLD  # many programs write UTF-8 and do not mark it
    if encoding == _OLD:
        report.say(
            f"{len(unmarked)} names in {archive} are not UTF-8 and are read as {_OLD}, the zip format's encoding (such "
            f"as {unmarked[0].decode(_OLD)!r}). If they are wrong, unpack it with their encoding, for example "
            "`unzip -O gbk FILE -d FOLDER`, and use the folder."
        )
    names = [info.filename.encode(_OLD).decode(encoding) if _is_unmarked(info) else info.filename for info in infos]
    return [name.replace("\\", "/") for name in names]


def _is_unmarked(info: zipfile.ZipInfo) -> bool:
    """Return whether a name's encoding matters and is not given, by the flag or as a second name in UTF-8."""
    is_second = info.filename != info.orig_filename
    return not (info.flag_bits & _UTF8_FLAG or is_second or info.filename.isascii())


def _is_utf8(names: Iterable[bytes]) -> bool:
    try:
        b"\n".join(names).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _open_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> IO[bytes]:
    try:
        return opened.open(info)
    except NotImplementedError as error:
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise UserError(
            f"{archive.name} holds {info.filename!r}, compressed by {method}, which cannot be read: make the archive "
            "again with `zip`."
        ) from error


def _read_tar(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive, "r|*") as opened:
        for info in opened:
            content = opened.extractfile(info) if info.isreg() else None
            link = info.linkname if info.islnk() else ""
            yield _Entry(info.name, info.isreg() or info.islnk(), info.isdir(), content, link)


def _is_tar(archive: Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except _BROKEN:
        return False


def _claim_bytes(archive: Path) -> int:
    """Return the unpacked size according to the archive; for a tar, which does not state it, the archive's own size."""
    if zipfile.is_zipfile(archive) and not _is_tar(archive):
        with zipfile.ZipFile(archive) as opened:
            return sum(info.file_size for info in opened.infolist())
    return archive.stat().st_size


def _empty_folder(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
