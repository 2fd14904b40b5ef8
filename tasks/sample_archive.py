"""The archive of an embedded sample: stored zip members with fixed time stamps, the same bytes on every machine."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from tasks.archives import digest_file
from tasks.report import Report

TIME_STAMP = (2020, 1, 1, 0, 0, 0)


def write_archive(out: Path, members: Sequence[tuple[str, bytes]], *, unit: str, report: Report) -> None:
    """Write `archive.zip`, that holds `members` (name, content) in their order, and `archive.sha256`, its digest."""
    with zipfile.ZipFile(out / "archive.zip", "w", zipfile.ZIP_STORED) as archive:
        for done, (name, content) in enumerate(members, start=1):
            info = zipfile.ZipInfo(name, TIME_STAMP)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # as made on Unix, wherever it is made
            archive.writestr(info, content)
            report.progress(done, len(members), unit)
    (out / "archive.sha256").write_text(digest_file(out / "archive.zip") + "\n")
