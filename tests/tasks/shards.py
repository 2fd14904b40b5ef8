"""A test's data as the stages get them: in shards, checked, cleaned, made into features."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tasks.audio.clean import Clean, check_clips, clean_clips
from tasks.files import File, name_shard, pack_folder
from tasks.images.clean import CleanPictures, check_pictures, clean_pictures
from tasks.report import Silent
from tasks.shard_tables import name_kept


def as_file(path: Path) -> File:
    """Return a file on disk."""
    return File(path.name, path)


def pack(folder: Path, out: Path, shards: int = 1) -> Path:
    """Pack a copy of a folder into the new folder `out`, and return that."""
    out.mkdir()
    shutil.copytree(folder, out / "unpacked")
    pack_folder(out / "unpacked", out, shards)
    return out


def check(archive: Path, check_shard: Callable[[Path, Path], None]) -> list[Path]:
    """Check each shard; return the folders with what was found."""
    found = []
    for number in range(len(list(archive.glob("*.tar")))):
        found.append(archive / f"checked-{number}")
        found[-1].mkdir()
        check_shard(archive / name_shard(number), found[-1])
    return found


def clean_packed_pictures(archive: Path, clean: CleanPictures, out: Path) -> None:
    """Check and clean pictures in shards."""

    def check_shard(shard: Path, found: Path) -> None:
        check_pictures(shard, max_pixels=clean.max_pixels, out=found, report=Silent())

    clean_pictures(archive, check(archive, check_shard), clean, out=out, report=Silent())


def clean_packed_clips(archive: Path, clean: Clean, out: Path) -> None:
    """Check and clean sounds in shards."""
    checked = check(archive, lambda shard, found: check_clips(shard, out=found, report=Silent()))
    clean_clips(archive, checked, clean, out=out, report=Silent())


def make_features(archive: Path, table: Path, out: Path, compute: Callable[[Path, Path, Path], None]) -> list[Path]:
    """Have `compute(shard, kept, out)` make the features of each shard; return their folders."""
    made = []
    for number in range(len(list(archive.glob("*.tar")))):
        made.append(out / str(number))
        made[-1].mkdir(parents=True)
        compute(archive / name_shard(number), table / name_kept(number), made[-1])
    return made
