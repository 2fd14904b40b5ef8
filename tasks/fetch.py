"""Downloads a file over HTTP: continues an interrupted download, retries with growing waits, checks the digest."""

import gzip
import hashlib
import re
import shutil
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from tasks.archives import measure_file, refuse_damaged
from tasks.disk import check_free, name_disk_faults
from tasks.errors import UserError
from tasks.origin import Origin, split_addresses
from tasks.report import Report

BLOCK_BYTES = 1 << 15  # a broken connection loses its last block
WAITS_S = (1.0, 3.0, 9.0, 27.0)  # after each try without new bytes; then the download fails
POLL_S = 0.5
RECORD = "digest.txt"
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class _BrokeOffError(Exception):
    """A failure after which another try may succeed; its text holds no secret."""


@dataclass(frozen=True)
class _Request:
    address: str
    target: Path
    origin: Origin

    @property
    def shown(self) -> str:
        return hide_secrets(self.address)


@dataclass(frozen=True)
class _Place:
    """The folder of what was fetched from an address: the file, the digest that it had at first, a refused file."""

    folder: Path
    name: str

    @property
    def target(self) -> Path:
        return self.folder / "file" / self.name

    @property
    def refused(self) -> Path:
        return self.folder / "refused" / self.name

    def read_digest(self) -> str:
        return self._record.read_text().strip() if self._record.exists() else ""

    def write_digest(self, digest: str) -> None:
        self._record.write_text(digest + "\n")

    @property
    def _record(self) -> Path:
        return self.folder / RECORD


def fetch(origin: Origin, *, downloads: Path, report: Report) -> Path:
    """Download a file from the first of its addresses that has it, and return its path below `downloads`.

    An interrupted download continues. The file must have the origin's digest, or else the one that it had when it was
    fetched first; a kept file that has it is not fetched again. Another file is refused, and kept. Raises UserError,
    with addresses stripped of their secrets, when each server refuses, keeps failing, or has another file.
    """
    addresses = split_addresses(origin.place)
    place = _Place(downloads / hashlib.sha256(addresses[0].encode()).hexdigest()[:16], _name_file(addresses[0]))
    for path in (place.target, place.refused):
        path.parent.mkdir(parents=True, exist_ok=True)
    digest = origin.digest or place.read_digest()
    if not _find_kept(place, digest):
        _fetch_first([_Request(address, place.target, origin) for address in addresses], place, digest, report)
    if not digest:
        refuse_damaged(place.target)  # an error page, for example, is not trusted
        digest = measure_file(place.target)
        report.say(
            f"{hide_secrets(addresses[0])}: {_size(place.target) / 1e6:.1f} MB, {digest}, trusted on first use. To "
            f"accept only this file, here and elsewhere: --set {origin.digest_key}={digest}"
        )
    place.write_digest(digest)
    return place.target


def _name_file(address: str) -> str:
    """Return the file name at the end of an address, without special characters."""
    name = PurePosixPath(urlsplit(address).path).name
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "archive"


def _find_kept(place: _Place, digest: str) -> bool:
    """Tell whether the file is there already, maybe as one that was refused before the params named its digest."""
    for path in (place.target, place.refused):
        if digest and _size(path) and measure_file(path, digest) == digest:
            path.replace(place.target)
            return True
    return False


def _fetch_first(tries: Sequence[_Request], place: _Place, digest: str, report: Report) -> None:
    """Try the addresses in turn; raises UserError with all faults when none has the file."""
    faults = []
    for request in tries:
        try:
            _fetch_checked(request, place, digest, report)
            return
        except UserError as error:
            faults.append(str(error))
            if request is not tries[-1]:
                report.say(f"{error} Trying the next address.")
    raise UserError(" ".join(faults))


def _fetch_checked(request: _Request, place: _Place, digest: str, report: Report) -> None:
    if not digest:
        request.target.unlink(missing_ok=True)  # its beginning may be that of another file, which nothing would show
        _fetch_whole(request, report)
        return
    had_start = _size(request.target) > 0
    _fetch_whole(request, report)
    if had_start and _digest_unpacked(request.target, digest) != digest:
        report.say(f"The part of {request.shown} downloaded before does not match the file there now: starting again.")
        request.target.unlink()
        _fetch_whole(request, report)
    if (found := _digest_unpacked(request.target, digest)) != digest:
        size = request.target.stat().st_size
        request.target.replace(place.refused)
        before = "" if request.origin.digest else ", the digest that it had when it was fetched first"
        raise UserError(
            f"{request.shown} ({size} bytes) has the digest {found}, not {digest}{before}: it is another file, kept as "
            f"{place.refused}. If you trust it: --set {request.origin.digest_key}={found}"
        )


def _digest_unpacked(target: Path, expected: str) -> str:
    """Return a file's digest; if only its gunzipped content has the expected one, the file is replaced by that.

    Some servers compress files with gzip even if the request forbids it.
    """
    digest, unpacked = measure_file(target, expected), target.with_name(f".{target.name}.unpacked")
    if digest == expected:
        return digest
    try:
        with (
            gzip.open(target) as compressed,
            name_disk_faults(target.parent, _size(target)),
            unpacked.open("wb") as file,
        ):
            shutil.copyfileobj(compressed, file)
        if measure_file(unpacked, expected) == expected:
            unpacked.replace(target)
            return expected
    except (gzip.BadGzipFile, EOFError, zlib.error):
        # Not compressed, or incomplete.
        pass
    finally:
        unpacked.unlink(missing_ok=True)
    return digest


def hide_secrets(address: str) -> str:
    """Return an address without user, password, query and fragment."""
    split = urlsplit(address)
    host = split.netloc.rpartition("@")[2]
    return urlunsplit((split.scheme, host, split.path, "", ""))


def _fetch_whole(request: _Request, report: Report) -> None:
    """Try until the file is complete; a try that got further than all before starts again with the shortest wait."""
    furthest, tries = _size(request.target), 0
    while True:
        try:
            _fetch_rest(request, report)
            return
        except _BrokeOffError as error:
            cause = str(error)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            cause = type(error).__name__  # its text may hold the address, and so a password
        if _size(request.target) > furthest:
            furthest, tries = _size(request.target), 0
        if tries == len(WAITS_S):
            raise UserError(
                f"{request.shown} could not be downloaded in {tries + 1} tries ({cause}; {furthest} bytes are kept). "
                "Check the address and the network, then run again: the download continues from there."
            ) from None
        report.say(f"The download of {request.shown} broke off ({cause}); trying again in {WAITS_S[tries]:g} s.")
        _pause(WAITS_S[tries], report)
        tries += 1


def _pause(wait_s: float, report: Report) -> None:
    """Wait; raises as `report.check` does when the task is to stop meanwhile."""
    until_s = time.monotonic() + wait_s
    while (left_s := until_s - time.monotonic()) > 0:
        report.check()
        time.sleep(min(left_s, POLL_S))


def _fetch_rest(request: _Request, report: Report) -> None:
    start = _size(request.target)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(request.address, headers=headers, stream=True, timeout=request.origin.timeout_s) as answer:
        if answer.status_code == 416:
            _settle_end(request, answer, start)
            return
        _check_status(request, answer)
        continues = answer.status_code == 206 and _range_start(answer) == start
        start = start if continues else 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else 0
        _write_body(request, answer, start, total, report)
    if total and _size(request.target) != total:
        raise _BrokeOffError(f"{_size(request.target)} of {total} bytes")


def _write_body(request: _Request, answer: requests.Response, start: int, total: int, report: Report) -> None:
    folder, needed_bytes = request.target.parent, max(0, total - start)
    check_free(folder, needed_bytes)
    with name_disk_faults(folder, needed_bytes), request.target.open("ab" if start else "wb") as file:
        # As it was sent: only so do the length and the place to go on from fit, whatever the server packs.
        for block in answer.raw.stream(BLOCK_BYTES, decode_content=False):
            file.write(block)
            report.progress(file.tell(), total, "bytes")


def _check_status(request: _Request, answer: requests.Response) -> None:
    if answer.status_code in TRY_AGAIN:
        raise _BrokeOffError(f"the server answered {answer.status_code} {answer.reason}")
    if answer.status_code not in (200, 206):
        raise UserError(
            f"{request.shown}: the server answered {answer.status_code} {answer.reason}. Correct {request.origin.key}."
        )


def _settle_end(request: _Request, answer: requests.Response, start: int) -> None:
    """Handle the answer that no bytes follow: the file is complete, or longer than the file on the server."""
    if answer.headers.get("Content-Range") != f"bytes */{start}":
        request.target.unlink()
        raise _BrokeOffError("the part downloaded before is longer than the file there")


def _range_start(answer: requests.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(match.group(1)) if match else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
