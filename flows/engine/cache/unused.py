"""Finds and deletes files in DVC's cache that are not among the md5s to keep, with DVC's own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.errors import EngineError
from flows.engine.project import ROOT

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB

DIR = ".dir"


@dataclass(frozen=True)
class Cache:
    """The cache of an open, locked repository, and the md5s to keep."""

    repo: Repo
    kept: frozenset[str]

    @classmethod
    def of(cls, repo: Repo, md5s: set[str]) -> Cache:
        """Find what `md5s` and the working tree need. Raises EngineError when other projects may share the cache."""
        store = repo.cache.local
        if not Path(store.path).resolve().is_relative_to(ROOT):
            raise EngineError(
                f"DVC's cache is outside this project, in {store.path}, and others may use it: nothing was deleted; "
                "to clean it, `dvc gc` needs the paths of all projects that share it (option -p)"
            )
        tracked = {str(out.hash_info.value) for out in repo.index.outs if out.hash_info}
        return cls(repo, frozenset(_list_needed(store, md5s | tracked)))

    def find_unused(self) -> dict[str, int]:
        """Return the size in bytes of each cached file that nothing needs, by md5."""
        store = self.repo.cache.local
        return {md5: Path(store.oid_to_path(md5)).stat().st_size for md5 in store.all() if md5 not in self.kept}

    def find_spent(self) -> dict[Path, int]:
        """Return the run cache entries whose outputs are not kept, with sizes: they would hide useful entries."""
        folder = Path(self.repo.stage_cache.cache_dir)
        return {
            path: path.stat().st_size
            for path in sorted(folder.glob("*/*/*"))
            if not {md5 for md5, is_out in _read_entry(path) if is_out} <= self.kept
        }

    def free_unused(self) -> None:
        """Delete what `find_unused` returns."""
        from dvc_data.hashfile.gc import gc
        from dvc_data.hashfile.hash_info import HashInfo

        gc(self.repo.cache.local, [HashInfo("md5", md5) for md5 in self.kept])

    def free_spent(self) -> None:
        """Delete what `find_spent` returns, and the emptied folders, which DVC cannot handle."""
        for path in self.find_spent():
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def read_lock_md5s(path: Path) -> set[str]:
    """Return the md5 of each input and output in a dvc.lock. Raises ValueError for another file."""
    from dvc.exceptions import DvcException
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import load_yaml
    from voluptuous import Invalid

    try:
        lock = COMPILED_LOCKFILE_SCHEMA(load_yaml(str(path)))
    except (DvcException, Invalid, OSError, UnicodeDecodeError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    return {md5 for stage in lock.get("stages", {}).values() for md5, _ in _list_md5s(stage)}


def _list_md5s(stage: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield each md5 of a stage's entry in dvc.lock, and whether it is an output's."""
    for part in ("deps", "outs"):
        yield from ((entry["md5"], part == "outs") for entry in stage.get(part) or () if entry.get("md5"))


def _list_needed(store: HashFileDB, md5s: set[str]) -> Iterator[str]:
    """Yield the md5s and, for each folder in the cache, those of its files."""
    for md5 in md5s:
        yield md5
        # A folder whose file list is not in this cache cannot be checked out from it anyway.
        if md5.endswith(DIR) and store.exists(md5):
            yield from _list_files(store, md5)


def _list_files(store: HashFileDB, md5: str) -> list[str]:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree
    from dvc_objects.errors import ObjectFormatError

    try:
        return [found.value for _, _, found in Tree.load(store, HashInfo("md5", md5))]
    except ObjectFormatError as error:
        raise EngineError(
            f"{store.oid_to_path(md5)}, the file list of a folder to keep, is damaged: nothing was deleted; "
            "delete that file, then run `dvc pull` or `dvc repro`"
        ) from error


def _read_entry(path: Path) -> list[tuple[str, bool]]:
    """Return the md5s of a run cache entry; none for a damaged entry."""
    from dvc.exceptions import DvcException
    from dvc.utils.serialize import load_yaml

    try:
        return list(_list_md5s(load_yaml(str(path))))
    except (DvcException, OSError, UnicodeDecodeError, AttributeError, TypeError):
        return [(path.name, True)]
