"""Downloads a file over HTTP: continues an interrupted download, retries with growing waits, checks the digest."""

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

BLOCK_BYTES = 1 << 15  # a broken connection loses its last block
WAITS_S = (1.0, 3.0, 9.0, 27.0)  # after each try without new bytes; then the download fails
POLL_S = 0.5
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class _BrokeOffError(Exception):
    """A failure after which another try may succeed; its text holds no secret."""


@dataclass(frozen=True)
class _Request:
    address: str
    target: Path
    timeout_s: float

    @property
    def shown(self) -> str:
        return hide_secrets(self.address)


def fetch(address: str, target: Path, *, sha256: str, timeout_s: float, report: Report) -> None:
    """Download `address` to `target`, continuing the existing file, and check its sha256.

    Raises UserError, with the address stripped of its secrets, when the server refuses, keeps failing, or the
    digest is wrong. A wrong file is deleted, so that the next run does not continue it.
    """
    request = _Request(address, target, timeout_s)
    had_start = _size(target) > 0
    if had_start and digest_file(target) == sha256:
        return
    _fetch_whole(request, report)
    if had_start and _digest_unpacked(target, sha256) != sha256:
        report.say(f"The part of {request.shown} downloaded before does not match the file there now: starting again.")
        target.unlink()
        _fetch_whole(request, report)
    digest, size = _digest_unpacked(target, sha256), target.stat().st_size
    if digest != sha256:
        target.unlink()
        raise UserError(
            f"{request.shown} ({size} bytes) has the sha256 {digest}, not {sha256}: it is another file. "
            "Set source.sha256 if you trust it."
        )


def _digest_unpacked(target: Path, sha256: str) -> str:
    """Return the sha256 of a file; if only its gunzipped content has the expected sha256, the file is replaced by that.

    Some servers compress files with gzip even if the request forbids it.
    """
    digest, unpacked = digest_file(target), target.with_name(f".{target.name}.unpacked")
    if digest == sha256:
        return digest
    try:
        with (
            gzip.open(target) as compressed,
            name_disk_faults(target.parent, _size(target)),
            unpacked.open("wb") as file,
        ):
            shutil.copyfileobj(compressed, file)
        if digest_file(unpacked) == sha256:
            unpacked.replace(target)
            return sha256
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
            f"{request.shown}: the server answered {answer.status_code} {answer.reason}. Correct source.archive."
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
