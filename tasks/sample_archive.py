"""Writes the archive of an embedded sample: an uncompressed zip with fixed time stamps, the same bytes everywhere."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from tasks.archives import measure_file
from tasks.report import Report

TIME_STAMP = (2020, 1, 1, 0, 0, 0)


def write_archive(out: Path, entries: Sequence[tuple[str, bytes]], *, unit: str, report: Report) -> None:
    """Write `archive.zip` with the `entries` (name, content), in order, and `archive.sha256`, its digest."""
    with zipfile.ZipFile(out / "archive.zip", "w", zipfile.ZIP_STORED) as archive:
        for done, (name, content) in enumerate(entries, start=1):
            info = zipfile.ZipInfo(name, TIME_STAMP)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # Unix attributes, on every machine
            archive.writestr(info, content)
            report.progress(done, len(entries), unit)
    (out / "archive.sha256").write_text(measure_file(out / "archive.zip").removeprefix("sha256:") + "\n")
