"""Shares results over DVC's default remote, one at a time: a stage asks for its own before it computes.

A result is an entry of DVC's run cache, named by a key of the stage's command, code, params and inputs, and the objects
that the entry lists by md5. The entry is sent last: where the remote has it, it has the objects. DVC's own
`--run-cache` copies every entry each time, too slow for single stages. Written against the pinned version of DVC, as
`store.py` is. `python -m flows.engine.cache.shared` sends what still waits.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.console import say
from flows.engine.errors import EngineError
from flows.engine.project import ROOT, STATE, make_state_folder
from flows.engine.redact import strip_secrets

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

WAITING = "unsent"  # the folder in .trifold of the results that wait to be sent, a file for each
WAITS_S = (0.0, 1.0, 4.0, 15.0)  # before each try to send
ASK_S = 0.1
JOBS = 8  # objects copied at the same time

# The network is used outside the engine's gate, by a thread for each direction with a repository of its own.
_fetcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch")
_sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="send")
_of_thread = threading.local()
_said: set[str] = set()
_stopping = threading.Event()
# Once the remote cannot be reached, this process asks it no more, and sends only at its end.
_unreachable = threading.Event()


@dataclass(frozen=True)
class Result:
    """A computed stage's entry in DVC's run cache."""

    stage: str
    key: str
    value: str


def make_key(found: PipelineStage) -> str | None:
    """Return the run-cache key of a stage whose inputs were hashed; None for a stage that DVC does not keep there."""
    from dvc.stage.cache import _can_hash, _get_stage_hash

    return str(_get_stage_hash(found)) if has_remote(found.repo) and _can_hash(found) else None


def has_remote(repo: Repo) -> bool:
    """Return whether the repository has a default remote that can hold a run cache, as DVC's rules have it."""
    name = repo.config["core"].get("remote")
    remote = repo.config["remote"].get(name, {})
    is_versioned = remote.get("version_aware") or remote.get("worktree")
    return bool(remote) and not is_versioned and not remote["url"].startswith("http")


def fetch(stage: str, key: str, check: Callable[[], None]) -> dict[str, str] | None:
    """Fetch the result with this key into DVC's cache; return the md5 of each output, by path.

    Returns None when the remote does not have it or cannot be reached. Raises whatever `check` raises meanwhile.
    """
    asked = _fetcher.submit(_fetch, stage, key)
    while not asked.done():
        check()
        time.sleep(ASK_S)
    return asked.result()


def place(found: PipelineStage, outputs: dict[str, str]) -> None:
    """Put fetched outputs where the stage has them."""
    from dvc_data.hashfile.hash_info import HashInfo

    for out in found.outs:
        out.hash_info, out.obj = HashInfo("md5", outputs[str(out)]), None
        out.checkout(force=True)


def note_result(found: PipelineStage) -> None:
    """Note that a recorded stage's result waits to be sent, so that it is sent even after a kill."""
    from dvc.stage.cache import _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile

    if key := make_key(found):
        value = str(_get_cache_hash(to_single_stage_lockfile(found)))
        (make_state_folder(WAITING) / key).write_text(f"{found.name} {value}")


def send_in_background() -> None:
    """Begin to send what waits."""
    if not _unreachable.is_set() and _list_waiting():
        _sender.submit(_send_waiting)


def stop_sending() -> None:
    """Send the result that is being sent, and leave the others to the next run."""
    _stopping.set()


def send_all() -> int:
    """Send what waits; return how many results still wait because the remote cannot be reached."""
    if _list_waiting():
        _sender.submit(_send_waiting).result()
    if left := len(_list_waiting()):
        say(
            f"{left} results are not yet in DVC's remote, but in this machine's cache: the next run sends them, or "
            "`python -m flows.engine.cache.shared`"
        )
    return left


def _list_waiting() -> list[Result]:
    return list(_read_waiting(STATE / WAITING))


def _read_waiting(folder: Path) -> Iterator[Result]:
    for mark in sorted(folder.glob("*")):
        with suppress(FileNotFoundError):  # sent meanwhile
            stage, _, value = mark.read_text().partition(" ")
            if value:  # else it is being written
                yield Result(stage, mark.name, value)


def _send_waiting() -> None:
    for result in _list_waiting():
        if _stopping.is_set() or not _send_patiently(result):
            return
        (STATE / WAITING / result.key).unlink(missing_ok=True)


def _send_patiently(result: Result) -> bool:
    """Send a result; return whether that succeeded, perhaps after waiting for the network."""
    for wait_s in (0.0,) if _unreachable.is_set() else WAITS_S:
        if _stopping.wait(wait_s):
            return False
        with _survive("DVC's remote takes no results"):
            _open_remote().send(result)
            return True
    _unreachable.set()
    return False


def _fetch(stage: str, key: str) -> dict[str, str] | None:
    if not _unreachable.is_set():
        with _survive("DVC's remote gives no results, so they are computed here"):
            return _open_remote().fetch(stage, key)
        _unreachable.set()
    return None


@contextmanager
def _survive(what: str) -> Iterator[None]:
    """Say an error of the remote once, instead of raising it: a result must not be lost to a network."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each kind of remote raises errors of its own libraries
        if what not in _said:
            _said.add(what)
            say(strip_secrets(f"{what}: {type(error).__name__}: {' '.join(str(error).split())}"))


class _Remote:
    """DVC's default remote, for one thread."""

    def __init__(self) -> None:
        from dvc.repo import Repo

        self._repo = Repo(str(ROOT))
        self._objects = self._repo.cloud.get_remote_odb()
        entries = self._repo.cloud.get_remote_odb(hash_name="md5-dos2unix")
        self._files, self._root = entries.fs, entries.path

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
        local = self._repo.cache.local
        folders = {md5 for md5 in outputs.values() if md5.endswith(".dir")}
        self._copy(self._objects, local, folders, shallow=True)  # DVC reads a folder's list from the cache
        self._copy(self._objects, local, set(outputs.values()))
        if lost := self._find_missing(outputs.values()):
            say(f"{stage}: the remote lacks {lost[0]} of it, or has damaged bytes, so it is computed here")
            return None
        return outputs

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

    def _read_outputs(self, result: Result) -> Iterator[str]:
        entry = self._repo.stage_cache._load_cache(result.key, result.value)
        yield from (out["md5"] for out in entry["outs"]) if entry else ()

    def _list_entries(self, key: str) -> list[str]:
        folder = self._files.join(self._root, *_name_entry(key, ""))
        try:
            paths = self._files.find(folder)
        except FileNotFoundError:
            return []
        return sorted(name for path in paths if len(name := self._files.name(path)) == len(key))

    def _find_missing(self, md5s: Iterable[str]) -> list[str]:
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
            raise EngineError(f"{len(done.failed)} objects could not be copied, {first} first")


def _open_remote() -> _Remote:
    if not hasattr(_of_thread, "remote"):
        _of_thread.remote = _Remote()
    remote: _Remote = _of_thread.remote
    return remote


def _name_entry(key: str, value: str) -> tuple[str, ...]:
    return ("runs", key[:2], key, *([value] if value else []))


if __name__ == "__main__":
    sys.exit(1 if send_all() else 0)
