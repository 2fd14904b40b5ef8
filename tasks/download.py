"""The download stage: data from the embedded sample, a path or an address becomes a folder of files."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from tasks.archives import unpack_archive
from tasks.errors import UserError
from tasks.files import pack_folder
from tasks.folder import copy_folder
from tasks.origin import Digest, Origin, Place, list_inputs, obtain
from tasks.report import Report
from tasks.section import Section

SAMPLE = "sample"
ADDRESSES = "addresses"
UNPACKED = "unpacked"  # the folder that becomes shards


class Source(Section):
    """The source of the data."""

    renamed: ClassVar = {"sha256": "digest"}

    archive: Place = Field(
        min_length=1,
        description="sample, addresses, the path of an archive, file or folder, or addresses of one file",
    )
    digest: Digest = Field(description="sha256:HEX or md5:HEX of the file, or empty")
    max_unpacked_mb: int = Field(ge=1, description="megabytes; an archive that unpacks to more is refused")
    timeout_s: float = Field(gt=0, le=3600, description="seconds of silence after which the connection is opened again")

    def files(self) -> tuple[str, ...]:
        """Return the local file or folder, an input of the stage, unless its digest is given."""
        return () if self.archive in (SAMPLE, ADDRESSES) else list_inputs(self.archive, self.digest)


class ShardedSource(Source):
    """The source of many files, which are packed."""

    shards: int = Field(
        ge=1, le=10_000, description="parts of the data, each checked and made into features by stages of its own"
    )


def download_archive(source: Source, sample: Path | None = None, *, out: Path, report: Report, downloads: Path) -> None:
    """Fetch or find the data and unpack or copy it into `out`.

    `sample` is the folder of the embedded sample, needed if `source.archive` is sample. An interrupted download
    continues from the file in `downloads`, also after a kill. Raises UserError when the data cannot be read or
    downloaded, has another digest, or cannot be unpacked.
    """
    path = obtain(_find_origin(source, sample), downloads=downloads, report=report)
    if path.is_dir():
        copy_folder(path, out, report)
    else:
        unpack_archive(path, out, max_bytes=source.max_unpacked_mb * 1_000_000, report=report)


def download_shards(
    source: ShardedSource, sample: Path | None = None, *, out: Path, report: Report, downloads: Path
) -> None:
    """Do what `download_archive` does, then pack the files into `source.shards` tar files (`tasks/files.py`)."""
    unpacked = out / UNPACKED
    unpacked.mkdir()
    download_archive(source, sample, out=unpacked, report=report, downloads=downloads)
    pack_folder(unpacked, out, source.shards)


def _find_origin(source: Source, sample: Path | None) -> Origin:
    place, digest = source.archive, source.digest
    if place == SAMPLE:
        if sample is None:
            raise UserError("source.archive is sample, but this flow has no sample: set it to a path or an address.")
        place, digest = str(sample / "archive.zip"), f"sha256:{(sample / 'archive.sha256').read_text().strip()}"
    return Origin(place, digest, "source.archive", source.timeout_s)
