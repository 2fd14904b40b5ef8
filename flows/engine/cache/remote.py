"""DVC's default remote: results by their run-cache key, objects by their md5, checkpoints of unfinished trainings."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.engine.console import say
from flows.engine.errors import EngineError
from flows.engine.project import ROOT

JOBS = 8  # objects copied at the same time
CHECKPOINTS, LEASES = "checkpoints", "leases"  # folders of the remote, beside DVC's own


@dataclass(frozen=True)
class Result:
    """A computed stage's entry in DVC's run cache."""

    stage: str
    key: str
    value: str


class Remote:
    """DVC's default remote, for one thread."""

    def __init__(self) -> None:
        from dvc.repo import Repo

        self._repo = Repo(str(ROOT))
        self._objects = self._repo.cloud.get_remote_odb()
        entries = self._repo.cloud.get_remote_odb(hash_name="md5-dos2unix")
        self._files, self._root = entries.fs, entries.path
        self._has: set[str] = set()  # the md5s of inputs that the remote has

    def fetch(self, stage: str, key: str) -> dict[str, str] | None:
        """Copy a result's objects into the cache; return the md5 of each output, by path; None where it is missing."""
        from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
        from dvc.utils.serialize import parse_yaml

        if not (names := self._list_entries(key)):
            return None
        path = self._files.join(self._root, *_name_entry(key, names[0]))
        entry = COMPILED_LOCK_FILE_STAGE_SCHEMA(parse_yaml(self._files.cat_file(path).decode(), path))
        outputs = {out["path"]: out["md5"] for out in entry["outs"]}
        say(f"{stage}: fetching from DVC's remote")
        if lost := self._fetch_objects(set(outputs.values())):
            say(f"{stage}: the remote lacks {lost[0]} of it, or has damaged bytes, so it is computed here")
            return None
        return outputs

    def has_result(self, key: str) -> bool:
        """Return whether the remote has a result with this key."""
        return bool(self._list_entries(key))

    def send(self, result: Result) -> None:
        """Copy a result to the remote, unless the cache no longer has it; the first one with its key stays."""
        md5s = set(self._read_outputs(result))
        if not md5s or self._find_missing(md5s):
            return
        if (names := self._list_entries(result.key)) and result.value not in names:
            say(
                f"{result.stage}: the remote has other bytes for the same command, code, params and inputs, and keeps "
                "them: another machine's threads, precision or instruction set give other bytes"
            )
            return
        self._copy(self._repo.cache.local, self._objects, md5s)
        path = Path(self._repo.stage_cache.cache_dir).parent.joinpath(*_name_entry(result.key, result.value))
        target = self._files.join(self._root, *_name_entry(result.key, result.value))
        self._files.makedirs(self._files.parent(target), exist_ok=True)
        self._files.put_file(str(path), target)

    def offer(self, inputs: Mapping[str, str]) -> None:
        """Copy inputs, given as md5s by path, to the remote: from the cache, or from the project's folder."""
        for path, md5 in inputs.items():
            if md5 not in self._has:
                source = self._stage(path, md5) if self._find_missing([md5]) else self._repo.cache.local
                self._copy(source, self._objects, {md5})
                self._has.add(md5)

    def bring(self, inputs: Mapping[str, str]) -> None:
        """Fetch inputs, given as md5s by path, and put each at its path. Raises EngineError if the remote lacks one."""
        from dvc.fs import localfs
        from dvc_data.hashfile import load
        from dvc_data.hashfile.checkout import checkout
        from dvc_data.hashfile.hash_info import HashInfo

        local = self._repo.cache.local
        if lost := self._find_missing(inputs.values()) and self._fetch_objects(set(inputs.values())):
            path = next((path for path, md5 in inputs.items() if md5 in lost), f"an input's file {lost[0]}")
            raise EngineError(
                f"{path} is missing or damaged in DVC's remote, from which a node gets its inputs: `dvc push`, then "
                "run again"
            )
        for path, md5 in inputs.items():
            content = load(local, HashInfo("md5", md5))
            checkout(str(ROOT / path), localfs, content, local, force=True, quiet=True, state=self._repo.state)

    def write_lease(self, key: str, text: str) -> None:
        """Write the text of a result's lease."""
        path = self._files.join(self._root, LEASES, key)
        self._files.makedirs(self._files.parent(path), exist_ok=True)
        self._files.pipe_file(path, text.encode())

    def read_lease(self, key: str) -> str:
        """Return the text of a result's lease; empty where nobody holds it."""
        try:
            return str(self._files.cat_file(self._files.join(self._root, LEASES, key)).decode())
        except FileNotFoundError:
            return ""

    def drop_lease(self, key: str) -> None:
        """Delete a result's lease if there is one."""
        self.delete([self._files.join(self._root, LEASES, key)])

    def keep_checkpoint(self, path: Path, place: Sequence[str]) -> None:
        """Copy a file into a folder of checkpoints."""
        folder = self._files.join(self._root, CHECKPOINTS, *place)
        self._files.makedirs(folder, exist_ok=True)
        self._files.put_file(str(path), self._files.join(folder, path.name))

    def list_checkpoints(self, key: str) -> set[str]:
        """Return the names of the folders with a result's checkpoints."""
        folder = self._files.join(self._root, CHECKPOINTS, key)
        return {self._files.relparts(path, folder)[0] for path in self._list_files(folder)}

    def fetch_checkpoints(self, place: Sequence[str], folder: Path) -> None:
        """Copy the files in a folder of checkpoints into a folder here."""
        source = self._files.join(self._root, CHECKPOINTS, *place)
        for name in self._list_files(source):
            path = folder.joinpath(*self._files.relparts(name, source))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(name, str(path))

    def drop_checkpoints(self, key: str) -> None:
        """Delete the checkpoints of a result."""
        self.delete(self._list_files(self._files.join(self._root, CHECKPOINTS, key)))

    def find_abandoned(self, since_s: float) -> dict[str, int]:
        """Return the bytes of each checkpoint and lease whose result is there, or that was written before `since_s`."""
        found = {}
        for name in (CHECKPOINTS, LEASES):
            folder = self._files.join(self._root, name)
            for path in self._list_files(folder):
                about = self._files.info(path)
                key = self._files.relparts(path, folder)[0]
                if _read_time(about) < since_s or self._list_entries(key):
                    found[path] = int(about["size"])
        return found

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files of the remote."""
        for path in paths:
            with suppress(FileNotFoundError):
                self._files.remove(path)

    def _list_files(self, folder: str) -> list[str]:
        try:
            return list(self._files.find(folder))
        except FileNotFoundError:
            return []

    def _stage(self, path: str, md5: str) -> Any:
        """Return a store with a file or folder that the cache lacks. Raises EngineError when its md5 has changed."""
        from dvc.fs import localfs
        from dvc_data.hashfile.build import build

        store, _, content = build(self._repo.cache.local, str(ROOT / path), localfs, "md5", ignore=self._repo.dvcignore)
        if content.hash_info.value != md5:
            raise EngineError(f"{path} changed since the run began: run again")
        return store

    def _fetch_objects(self, md5s: set[str]) -> list[str]:
        """Copy objects into the cache; return those that it lacks then."""
        local = self._repo.cache.local
        folders = {md5 for md5 in md5s if md5.endswith(".dir")}
        self._copy(self._objects, local, folders, shallow=True)  # DVC reads a folder's list from the cache
        self._copy(self._objects, local, md5s)
        return self._find_missing(md5s)

    def _read_outputs(self, result: Result) -> Iterator[str]:
        entry = self._repo.stage_cache._load_cache(result.key, result.value)
        yield from (out["md5"] for out in entry["outs"]) if entry else ()

    def _list_entries(self, key: str) -> list[str]:
        paths = self._list_files(self._files.join(self._root, *_name_entry(key, "")))
        return sorted(name for path in paths if len(name := self._files.name(path)) == len(key))

    def _find_missing(self, md5s: Collection[str]) -> list[str]:
        """Return the objects that the cache lacks, of files and of folders' files."""
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.tree import Tree

        local = self._repo.cache.local
        lists = [md5 for md5 in md5s if md5.endswith(".dir") and local.exists(md5)]
        files = [str(one.value) for md5 in lists for _, _, one in Tree.load(local, HashInfo("md5", md5))]
        return [md5 for md5 in (*md5s, *files) if not local.exists(md5)]

    def _copy(self, source: Any, target: Any, md5s: set[str], *, shallow: bool = False) -> None:
        """Copy the objects that the source has, and unless `shallow` the files of folders before the folders' lists.

        A copy whose bytes do not have its md5 is deleted.
        """
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.transfer import transfer

        wanted, local = {HashInfo("md5", md5) for md5 in md5s}, self._repo.cache.local
        done = transfer(source, target, wanted, jobs=JOBS, shallow=shallow, verify=target is local, cache_odb=local)
        if done.failed:
            first = min(str(one.value) for one in done.failed)
            raise EngineError(
                f"{len(done.failed)} files could not be copied between DVC's cache and its remote, the first is "
                f"{first}: check the disk and the remote, then run again"
            )


def _read_time(about: Mapping[str, Any]) -> float:
    """Return when a file was written, in seconds since the epoch, as its kind of store reports it."""
    written = about.get("mtime") or about.get("LastModified") or time.time()
    return float(written.timestamp() if isinstance(written, datetime) else written)


def _name_entry(key: str, value: str) -> tuple[str, ...]:
    return ("runs", key[:2], key, *([value] if value else []))
