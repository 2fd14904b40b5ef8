"""One file over HTTP: goes on where it broke off, tries again with growing waits, checks what came."""

import gzip
import re
import shutil
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from tasks.archives import digest_file
from tasks.disk import check_free, name_disk_faults
from tasks.errors import UserError
from tasks.report import Report

BLOCK_BYTES = 1 << 15  # of a connection that breaks, the last block is lost
WAITS_S = (1.0, 3.0, 9.0, 27.0)  # after each try that brought nothing new; then it gives up
LOOK_S = 0.5
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class _BrokeOffError(Exception):
    """A fault that another try may mend; its text holds no secret."""


@dataclass(frozen=True)
class _Request:
    address: str
    target: Path
    timeout_s: float

    @property
    def shown(self) -> str:
        return hide_secrets(self.address)


def fetch(address: str, target: Path, *, sha256: str, timeout_s: float, report: Report) -> None:
    """Fetch `address` into `target`, continuing what is there, until its sha256 is the expected one.

    Raises UserError, with the address stripped of its secrets, when the server refuses, keeps failing, or the
    bytes are wrong. A wrong file is removed, so that the next run does not build on it.
    """
    request = _Request(address, target, timeout_s)
    had_start = _size(target) > 0
    if had_start and digest_file(target) == sha256:
        return
    _fetch_whole(request, report)
    if had_start and _digest_unpacked(target, sha256) != sha256:
        report.say(f"What was kept of {request.shown} does not fit the file there now: fetching it anew.")
        target.unlink()
        _fetch_whole(request, report)
    found, size = _digest_unpacked(target, sha256), target.stat().st_size
    if found != sha256:
        target.unlink()
        raise UserError(
            f"{request.shown} ({size} bytes) has the sha256 {found}, not {sha256}: it is another file. "
            "Set source.sha256 if you trust it."
        )


def _digest_unpacked(target: Path, sha256: str) -> str:
    """Return the sha256 of a file, which is unpacked first when that makes it the one expected.

    Some servers send a file packed by gzip whatever they are asked for.
    """
    found, unpacked = digest_file(target), target.with_name(f".{target.name}.unpacked")
    if found == sha256:
        return found
    try:
        with gzip.open(target) as packed, name_disk_faults(target.parent, _size(target)), unpacked.open("wb") as file:
            shutil.copyfileobj(packed, file)
        if digest_file(unpacked) == sha256:
            unpacked.replace(target)
            return sha256
    except (gzip.BadGzipFile, EOFError, zlib.error):
        # Not packed, or not whole.
        pass
    finally:
        unpacked.unlink(missing_ok=True)
    return found


def hide_secrets(address: str) -> str:
    """Return an address without user, password, query and fragment."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _fetch_whole(request: _Request, report: Report) -> None:
    """Try until the file is whole; a try that got further than any before starts the waits anew."""
    furthest, tries = _size(request.target), 0
    while True:
        try:
            _fetch_rest(request, report)
            return
        except _BrokeOffError as error:
            fault = str(error)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            fault = type(error).__name__  # its text may hold the address, and so a password
        if _size(request.target) > furthest:
            furthest, tries = _size(request.target), 0
        if tries == len(WAITS_S):
            raise UserError(
                f"{request.shown} could not be fetched in {tries + 1} tries ({fault}; {furthest} bytes are kept). "
                "Check the address and the network, then run again: it goes on from there."
            ) from None
        report.say(f"{request.shown} broke off ({fault}); trying again in {WAITS_S[tries]:g} s.")
        _pause(WAITS_S[tries], report)
        tries += 1


def _pause(wait_s: float, report: Report) -> None:
    """Wait, unless the work is to end meanwhile."""
    until_s = time.monotonic() + wait_s
    while (left_s := until_s - time.monotonic()) > 0:
        report.check()
        time.sleep(min(left_s, LOOK_S))


def _fetch_rest(request: _Request, report: Report) -> None:
    start = _size(request.target)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(request.address, headers=headers, stream=True, timeout=request.timeout_s) as answer:
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
            f"{request.shown}: the server answered {answer.status_code} {answer.reason}. Mend source.archive."
        )


def _settle_end(request: _Request, answer: requests.Response, start: int) -> None:
    """Judge an answer that there is nothing after what we have: whole, or not this file's beginning."""
    if answer.headers.get("Content-Range") != f"bytes */{start}":
        request.target.unlink()
        raise _BrokeOffError("what was kept is longer than the file there")


def _range_start(answer: requests.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found.group(1)) if found else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
