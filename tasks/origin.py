"""A file that a params file names: by its path, or by addresses; with the digest that it must have."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from tasks.archives import measure_file
from tasks.errors import UserError
from tasks.report import Report

PROJECT = Path(__file__).resolve().parents[1]
_DIGEST = re.compile(r"(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})?", re.IGNORECASE)


def _check_digest(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise ValueError(
            "must be sha256: and 64 hex digits (`sha256sum FILE` prints them), md5: and 32 (`md5sum FILE`), or empty"
        )
    return digest.lower()


def _check_place(place: str) -> str:
    for address in split_addresses(place):
        if "@" in urlsplit(address).netloc:
            raise ValueError("may hold no user name or password, because this file would store it: use ~/.netrc")
        if not re.match(r"https?://[^/\[\]]+/", address, re.IGNORECASE):
            raise ValueError(f"{address} starts like an address but names no file on a host: write https://HOST/FILE")
    return place


Digest = Annotated[str, AfterValidator(_check_digest)]
"""`sha256:HEX`, `md5:HEX` or nothing."""
Place = Annotated[str, AfterValidator(_check_place)]
"""A path, counted from the project's folder, or addresses of one file, separated by spaces."""


def split_addresses(place: str) -> list[str]:
    """Return the http(s) addresses of a place; none if it is a path."""
    return place.split() if re.match(r"https?://", place, re.IGNORECASE) else []


def list_inputs(place: str, digest: str) -> tuple[str, ...]:
    """Return the path that a stage must depend on: none for an address, or where a digest says what the file holds."""
    return () if split_addresses(place) or digest or not place else (place,)


@dataclass(frozen=True)
class Origin:
    """Where a file comes from; `key` is the params key of its place, which messages name."""

    place: str
    digest: str
    key: str
    timeout_s: float

    @property
    def digest_key(self) -> str:
        """The params key of the digest."""
        return f"{self.key.partition('.')[0]}.digest"


def obtain(origin: Origin, *, downloads: Path, report: Report) -> Path:
    """Return the path of a file or folder. A file is fetched if it has addresses, and its digest is checked or shown.

    Raises UserError when it does not exist, cannot be downloaded or read, or has another digest.
    """
    if split_addresses(origin.place):
        from tasks.fetch import fetch

        return fetch(origin, downloads=downloads, report=report)
    path = PROJECT / Path(origin.place).expanduser()
    if path.is_dir():
        if origin.digest:
            raise UserError(f"{path} is a folder, which has no digest: set {origin.digest_key} to an empty text.")
    elif path.is_file():
        _check_file(path, origin, report)
    else:
        raise UserError(f"{origin.key} {path} does not exist: set it to a path that exists, or to an http(s) address.")
    return path


def _check_file(path: Path, origin: Origin, report: Report) -> None:
    try:
        digest = measure_file(path, origin.digest)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): change its permissions.") from error
    if not origin.digest:
        report.say(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {digest}")
    elif digest != origin.digest:
        raise UserError(
            f"{path.name} has the digest {digest}, not {origin.digest}: it is truncated or another file. Get it again, "
            f"or, if you trust it, set {origin.digest_key} to an empty text."
        )
