"""The download stage: gets an archive from the embedded sample, a path or an address, checks and unpacks it."""

import re
from pathlib import Path, PurePosixPath
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from tasks.archives import digest_file, unpack_archive
from tasks.errors import UserError
from tasks.report import Report
from tasks.section import Section

PROJECT = Path(__file__).resolve().parents[1]
SAMPLE = "sample"
ADDRESSES = "addresses"


class Source(Section):
    """The source of the data."""

    archive: str = Field(
        min_length=1, description="sample, addresses, a path (from the project's folder) or an address"
    )
    sha256: str = Field(description="the archive's digest, 64 hex digits; empty for sample and addresses")
    max_unpacked_mb: int = Field(ge=1, description="megabytes; an archive that unpacks to more is refused")
    timeout_s: float = Field(gt=0, le=3600, description="seconds of silence after which the connection is opened again")

    @property
    def is_address(self) -> bool:
        """Whether the archive is fetched by HTTP."""
        return re.match(r"https?://", self.archive, re.IGNORECASE) is not None

    @model_validator(mode="after")
    def _check_digest(self) -> Self:
        if self.archive in (SAMPLE, ADDRESSES) and not self.sha256:
            return self
        if not re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256):
            raise ValueError(
                f"sha256 {self.sha256!r} must be the archive's 64 hex digits (`sha256sum FILE` prints them); "
                "only the sample and addresses may leave it empty"
            )
        return self

    @field_validator("archive")
    @classmethod
    def _refuse_password(cls, archive: str) -> str:
        if "://" in archive and "@" in urlsplit(archive).netloc:
            raise ValueError(
                "archive may hold no user name or password, because this file would store it: use ~/.netrc"
            )
        return archive

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        if self.is_address and not re.match(r"https?://[^/\[\]]+/", self.archive, re.IGNORECASE):
            raise ValueError(
                f"archive {self.archive!r} starts like an address but names no file on a host: write https://HOST/FILE"
            )
        return self


def download_archive(
    source: Source, sample: Path | None = None, *, out: Path, report: Report, checkpoints: Path
) -> None:
    """Fetch or find the archive, check its sha256 and unpack it into `out`.

    `sample` is the folder of the embedded sample, needed if `source.archive` is sample. An interrupted download
    continues from the file in `checkpoints`, also after a kill. Raises UserError when the archive cannot be read or
    downloaded, has another digest, or cannot be unpacked.
    """
    archive, expected = _locate(source, sample)
    if source.is_address:
        from tasks.fetch import fetch

        archive = checkpoints / _name_file(source.archive)
        fetch(source.archive, archive, sha256=expected, timeout_s=source.timeout_s, report=report)
    else:
        _check_digest(archive, expected)
    unpack_archive(archive, out, max_bytes=source.max_unpacked_mb * 1_000_000, report=report)


def _name_file(address: str) -> str:
    """Return the file name at the end of an address, without special characters."""
    name = PurePosixPath(urlsplit(address).path).name
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "archive"


def _locate(source: Source, sample: Path | None) -> tuple[Path, str]:
    """Return the archive's path and the digest that it must have."""
    if source.archive != SAMPLE:
        path = PROJECT / Path(source.archive).expanduser()
        return path, source.sha256.lower()
    if sample is None:
        raise UserError("source.archive is sample, but this flow has no sample: set it to a path or an address.")
    return sample / "archive.zip", (sample / "archive.sha256").read_text().strip()


def _check_digest(archive: Path, expected: str) -> None:
    if not archive.is_file():
        raise UserError(f"source.archive {archive} is no file: set it to a path that exists, or an http(s) address.")
    try:
        digest = digest_file(archive)
    except OSError as error:
        raise UserError(f"{archive} cannot be read ({error.strerror}): change its permissions.") from error
    if digest != expected:
        raise UserError(
            f"{archive.name} has the sha256 {digest}, not {expected}: it is truncated or another file. "
            "Download it again, or set source.sha256 if you trust it."
        )
