"""Fetch the pictures of a table of addresses; each address that fails is set aside with the reason."""

from __future__ import annotations

import re
import shutil
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from tasks.download import UNPACKED
from tasks.errors import UserError
from tasks.files import pack_folder
from tasks.origin import Digest, Origin, Place, list_inputs, obtain
from tasks.report import Report
from tasks.section import Section
from tasks.splits import name_splits
from tasks.tables import read_rows, write_rows

if TYPE_CHECKING:
    from tasks.images.web_picture import Limits

COLUMNS = ("url", "class", "type")
FOLDERS = {"train": "train", "valid": "val", "test": "test"}  # of the splits
MAX_HOST_FAULTS = 12  # connection faults in a row after which the host's other pictures are given up
HOST_FAULTS = ("dead", "timed out", "broke off")


class Addresses(Section):
    """A table of addresses, and the limits on fetching its pictures."""

    file: Place = Field(description="path or address of a CSV url,class,type; empty when unused")
    digest: Digest = Field(description="sha256:HEX or md5:HEX of the file, or empty")
    workers: int = Field(ge=1, le=256, description="pictures fetched at once")
    per_host: int = Field(ge=1, le=256, description="pictures fetched at once from one host")
    retries: int = Field(ge=0, le=10, description="further tries after a network error")
    timeout_s: float = Field(gt=0, le=3600, description="longest time for one picture, all tries together, seconds")
    max_mb: float = Field(gt=0, le=10_000, description="largest size of one picture, megabytes")
    allow_private: bool = Field(description="fetch addresses of this machine and of private networks too")

    def files(self) -> tuple[str, ...]:
        """Return the table's path, an input of the stage, unless its digest is given."""
        return list_inputs(self.file, self.digest)

    @model_validator(mode="after")
    def _check_workers(self) -> Self:
        if self.per_host > self.workers:
            raise ValueError(f"per_host {self.per_host} must be at most workers {self.workers}: lower per_host")
        return self


@dataclass(frozen=True)
class Row:
    """One row of the table; `number` counts from 1, below the header. `split` is its folder, or an unknown type."""

    number: int
    url: str
    category: str
    split: str

    @property
    def host(self) -> str:
        """The host's name, or "" if the address has none."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""


def fetch_addresses(
    addresses: Addresses, *, shards: int, out: Path, report: Report, downloads: Path, checkpoints: Path
) -> None:
    """Fetch pictures as `{train,val,test}/{class}/{row}.{ext}`; write `dropped.csv` (row, url, class, type, reason).

    The pictures are packed in `shards` tar files (`tasks/files.py`). The extension fits the content, whatever the
    address says. A type is any word for a split, such as Train or valid, as in the names of folders. Set aside are
    rows without a valid address, class or type, and addresses that are dead, slow, endless, too large, no picture,
    or lead, also by a redirect, to this machine or a private network (unless allowed). Fetched pictures stay in
    `checkpoints` for the next run, a fetched table in `downloads`. Connections ignore any proxy. Raises UserError
    when the table cannot be read or no picture could be fetched.
    """
    rows = _read_table(addresses, downloads, report)
    reasons = {row.number: _find_fault(row) for row in rows}
    wanted = [row for row in rows if not reasons[row.number]]
    for done, (row, reason) in enumerate(_fetch_all(wanted, addresses, checkpoints), start=1):
        reasons[row.number] = reason
        report.progress(done, len(wanted), "pictures")
    kept = [row for row in rows if not reasons[row.number]]
    if not kept:
        raise UserError(_describe_nothing(rows, reasons))
    for row in kept:
        _place_picture(checkpoints / _name_file(row), out / UNPACKED, row)
    pack_folder(out / UNPACKED, out, shards)
    _write_dropped(out, rows, reasons)
    report.say(f"{len(kept)} pictures fetched, {len(rows) - len(kept)} set aside (dropped.csv says why).")


def _read_table(addresses: Addresses, downloads: Path, report: Report) -> list[Row]:
    origin = Origin(addresses.file, addresses.digest, "addresses.file", addresses.timeout_s)
    table = obtain(origin, downloads=downloads, report=report)
    if table.is_dir():
        raise UserError(f"addresses.file {table} is a folder: set it to the path of a CSV table.")
    listed = [{name: row[name].strip() for name in COLUMNS} for row in read_rows(table, COLUMNS)]
    splits = name_splits({row["type"] for row in listed})
    return [
        Row(number, row["url"], row["class"], FOLDERS.get(splits[row["type"]], row["type"]))
        for number, row in enumerate(listed, start=1)
    ]


def _find_fault(row: Row) -> str:
    if row.split not in FOLDERS.values():
        return f"unknown type: {row.split!r} is not train, val or test"
    if not row.category:
        return "empty class"
    if re.search(r"[/\\\x00-\x1f]", row.category) or row.category.startswith(".") or len(row.category.encode()) > 200:
        return f"class is no folder name: {row.category[:50]!r}"
    if not re.match(r"https?://", row.url, re.IGNORECASE):
        return "refused: only http and https are fetched"
    return "" if row.host else "malformed: it names no host"


def _fetch_all(rows: Sequence[Row], addresses: Addresses, checkpoints: Path) -> Iterator[tuple[Row, str]]:
    """Yield each row as soon as it is done, with "" or the reason why its picture is unavailable."""
    from tasks.images.connections import load_certificates, silence_urllib3
    from tasks.images.hosts import map_hosts
    from tasks.images.web_picture import Limits

    limits = Limits(addresses.timeout_s, int(addresses.max_mb * 1e6), addresses.retries, addresses.allow_private)
    by_host = defaultdict(list)
    for row in rows:
        by_host[row.host].append(row)
    silence_urllib3()
    load_certificates()  # once, before the threads start
    fetcher = _Fetcher(limits, checkpoints)
    yield from map_hosts(fetcher.fetch, by_host, workers=addresses.workers, per_host=addresses.per_host)


class _Fetcher:
    """Fetches pictures, from any thread, and gives up hosts that do not respond."""

    def __init__(self, limits: Limits, checkpoints: Path) -> None:
        self._limits, self._checkpoints = limits, checkpoints
        self._faults: Counter[str] = Counter()  # consecutive faults of each host
        self._lock = threading.Lock()

    def fetch(self, row: Row) -> str:
        """Return "" if the picture is in the checkpoints or could be fetched, else the reason why not."""
        from tasks.images.web_picture import fetch_picture

        target = self._checkpoints / _name_file(row)
        if target.exists():
            return ""
        if self._faults[row.host] >= MAX_HOST_FAULTS:
            return f"host given up: {MAX_HOST_FAULTS} pictures of it in a row were dead or timed out"
        reason = fetch_picture(row.url, target, self._limits)
        with self._lock:
            self._faults[row.host] = self._faults[row.host] + 1 if reason.startswith(HOST_FAULTS) else 0
        return reason


def _place_picture(fetched: Path, out: Path, row: Row) -> None:
    from tasks.disk import name_disk_faults
    from tasks.images.web_picture import name_extension

    folder = out / row.split / row.category
    with name_disk_faults(out.parent, fetched.stat().st_size):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fetched, folder / f"{_name_file(row)}.{name_extension(fetched)}")


def _name_file(row: Row) -> str:
    return f"{row.number:04}"


def _write_dropped(out: Path, rows: Sequence[Row], reasons: dict[int, str]) -> None:
    dropped = (
        {
            "row": row.number,
            "url": _hide_secrets(row.url),
            "class": row.category,
            "type": row.split,
            "reason": reasons[row.number],
        }
        for row in rows
        if reasons[row.number]
    )
    write_rows(out / "dropped.csv", ["row", *COLUMNS, "reason"], dropped)


def _hide_secrets(url: str) -> str:
    """Return an address without its secrets, or "(malformed)" if it cannot be parsed."""
    from tasks.fetch import hide_secrets

    try:
        shown, host = hide_secrets(url), urlsplit(url).netloc
    except ValueError:
        return "(malformed)"
    return shown if host or "@" not in shown else "(malformed)"


def _describe_nothing(rows: Sequence[Row], reasons: dict[int, str]) -> str:
    kinds = Counter(reasons[row.number].split(":")[0] for row in rows)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "the table has no rows"
    example = f"; for example row {rows[0].number}: {reasons[rows[0].number]}" if rows else ""
    return (
        f"None of the {len(rows)} pictures could be fetched ({counts}{example}). "
        "Check the network and the table in addresses.file, then run again."
    )
