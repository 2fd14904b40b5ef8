"""The files of a data set, in a folder or packed in shards: tar files that each hold some of them, chosen by name."""

import os
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from tasks.disk import name_disk_faults

# Bytes of a name that are not UTF-8 are kept as surrogates.
_NAMES = {"encoding": "utf-8", "errors": "surrogateescape"}


class Content(BytesIO):
    """The content of a packed file; as a text it is the file's name, which messages show."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self._name = name

    def __str__(self) -> str:
        return self._name


@dataclass(frozen=True)
class File:
    """A file of a data set: its name in it, and where its bytes are; `size` is None for a file of its own on disk."""

    name: str
    place: Path
    offset: int = 0
    size: int | None = None

    @property
    def path(self) -> PurePosixPath:
        """Its name as a path."""
        return PurePosixPath(self.name)

    def open(self) -> Path | Content:
        """Return the file on disk, or the content of a packed one."""
        return self.place if self.size is None else Content(self.read(), self.name)

    def count_bytes(self) -> int:
        """Return its size."""
        return self.place.stat().st_size if self.size is None else self.size

    def read(self, most_bytes: int | None = None) -> bytes:
        """Return its content, or its first bytes."""
        size = self.count_bytes()
        with self.place.open("rb") as file:
            file.seek(self.offset)
            return file.read(size if most_bytes is None else min(size, most_bytes))

    def save(self, folder: Path) -> Path:
        """Return the file on disk; a packed one is written into `folder`."""
        if self.size is None:
            return self.place
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.read())
        return path


def list_folder(folder: Path) -> list[File]:
    """Return all files of a folder, sorted by name."""
    return [File(name, folder / name) for name in _list_names(folder)]


def _list_names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def pack_folder(folder: Path, out: Path, shards: int) -> None:
    """Move the files of `folder` into `shards` tar files in `out`. The same files give the same bytes.

    A file's name decides its shard, so another file changes one shard. Raises UserError when the disk is full.
    """
    names: list[list[str]] = [[] for _ in range(shards)]
    for name in _list_names(folder):
        names[choose_shard(name, shards)].append(name)
    for number, chosen in enumerate(names):
        total_bytes = sum((folder / name).stat().st_size for name in chosen)
        with (
            name_disk_faults(out, total_bytes),
            tarfile.open(out / name_shard(number), "w", format=tarfile.GNU_FORMAT, **_NAMES) as tar,  # type: ignore[call-overload]
        ):
            for name in chosen:
                _move_file(folder / name, name, tar)
    shutil.rmtree(folder)


def _move_file(path: Path, name: str, tar: tarfile.TarFile) -> None:
    about = tarfile.TarInfo(name)
    about.size = path.stat().st_size
    with path.open("rb") as file:
        tar.addfile(about, file)
    path.unlink()


def choose_shard(name: str, shards: int) -> int:
    """Return the number of the shard that holds the file with this name."""
    return zlib.crc32(os.fsencode(name)) % shards


def name_shard(number: int) -> str:
    """Return the name of a shard's tar file."""
    return f"shard-{number}.tar"


def list_shard(shard: Path) -> list[File]:
    """Return the files in a shard, sorted by name."""
    with tarfile.open(shard, "r:", **_NAMES) as tar:  # type: ignore[call-overload]
        return [File(info.name, shard, info.offset_data, info.size) for info in tar]


def list_shards(archive: Path) -> list[list[File]]:
    """Return the files of each shard of a data set, in the order of the shards' numbers."""
    return [list_shard(archive / name_shard(number)) for number in range(_count_shards(archive))]


def find_file(archive: Path, name: str) -> File:
    """Return the file with this name of a data set in shards."""
    shard = archive / name_shard(choose_shard(name, _count_shards(archive)))
    return next(file for file in list_shard(shard) if file.name == name)


def _count_shards(archive: Path) -> int:
    return sum(1 for _ in archive.glob("shard-*.tar"))
