"""DVC's repository in this process, with the parts of DVC replaced that would run a command or give up.

How DVC runs a command and how it waits are replaced. All of `cache/` is written against the pinned version of DVC.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.cache.faults import explain_faults, refuse_foreign_lock
from flows.engine.cache.lockfile import replace_lock_access
from flows.engine.errors import EngineError
from flows.engine.graph.fingerprint import FOLDER
from flows.engine.project import ROOT

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

# A file's name, inode and modification time.
Signature = tuple[str, int, int]


class BusyError(Exception):
    """Another DVC command works on this stage; try again later."""


# Only one thread at a time uses DVC; it releases this lock while its stage computes.
_gate = threading.RLock()
# Opening a repository takes half a second, so idle ones are reused.
_idle: list[OpenRepo] = []
# What makes running stages fresh, by their names.
_works: dict[str, Callable[[PipelineStage], None]] = {}
# Whether this thread has begun to compute: from then on, others that need the same stage wait for this thread.
_begun = threading.local()


@contextmanager
def call_in_place_of_command(stage: str, work: Callable[[PipelineStage], None]) -> Iterator[None]:
    """Make DVC call `work` in this block where it would run the stage's command."""
    _works[stage] = work
    try:
        yield
    finally:
        del _works[stage]
        _begun.value = False


@contextmanager
def leave_gate() -> Iterator[None]:
    """Let other threads use DVC in this block."""
    _gate.release()
    try:
        yield
    finally:
        _gate.acquire()


class OpenRepo:
    """DVC's repository, and its stages as of the last reading of dvc.yaml and dvc.lock."""

    def __init__(self) -> None:
        from dvc.repo import Repo

        # The run prints its own lines instead of DVC's.
        logging.getLogger("dvc").setLevel(logging.WARNING)
        self.repo: Repo = Repo(str(ROOT))
        refuse_foreign_lock(self.repo.lock)
        # A result must not be lost because another DVC command held the lock for a few seconds.
        self.repo.lock._wait = True
        self._file: Any = None
        self._stages: Any = None
        self._signed: list[Signature] = []
        self._lock_signed: list[Signature] = []

    def load(self, name: str) -> PipelineStage:
        """Return a stage of dvc.yaml with its entry in dvc.lock; both files are read again when they changed."""
        from dvc.stage.exceptions import StageNotFound

        self._read_pipeline()
        self._read_lock()
        try:
            return self._stages[name]
        except StageNotFound:
            raise EngineError(f"{name} is not in dvc.yaml: run `python -m flows graph --write`") from None

    def read_command(self, name: str) -> str:
        """Return a stage's command in dvc.lock as of the last `load`, or an empty string."""
        return str(self._stages.lockfile_data.get(name, {}).get("cmd", ""))

    def read_cached(self, md5: str) -> str | None:
        """Return the text with this md5 in DVC's cache, or None when the cache no longer has it."""
        path = Path(self.repo.cache.local.oid_to_path(md5))
        return path.read_text(encoding="utf-8") if path.exists() else None

    def drop_torn_list(self) -> None:
        """Delete DVC's list of who reads and writes what, if its writer was killed while it wrote it.

        DVC writes it in place, and would refuse every command until a person deleted it.
        """
        from dvc.lock import make_lock

        path = Path(self.repo.tmp_dir or "", "rwlock")
        if _is_whole(path):
            return
        hardlink = self.repo.config["core"].get("hardlink_lock", False)
        with make_lock(f"{path}.lock", tmp_dir=self.repo.tmp_dir, hardlink_lock=hardlink):  # its holder may be writing
            if not _is_whole(path):
                path.unlink()

    def _read_pipeline(self) -> None:
        from dvc.dvcfile import load_file

        if (signed := _sign(ROOT / "dvc.yaml", *sorted((ROOT / "params").glob("*.yaml")))) != self._signed:
            self.repo._reset()
            self._file, self._stages, self._signed = load_file(self.repo, str(ROOT / "dvc.yaml")), None, signed

    def _read_lock(self) -> None:
        if (signed := _sign(ROOT / "dvc.lock")) != self._lock_signed or self._stages is None:
            locked = self._file._lockfile.load()
            self._stages, self._lock_signed = self._file.LOADER(self._file, self._file.contents, locked), signed


def _is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True


def _sign(*paths: Path) -> list[Signature]:
    stats = ((path, path.stat()) for path in paths if path.exists())
    return [(path.name, stat.st_ino, stat.st_mtime_ns) for path, stat in stats]


@contextmanager
def open_repo() -> Iterator[OpenRepo]:
    """Yield DVC's repository under its lock; only one thread has it at a time. Raises EngineError for DVC's errors."""
    _check_repository()
    with explain_faults(), _gate:
        _replace_dvc_parts()
        opened = _idle.pop() if _idle else OpenRepo()
        try:
            with opened.repo.lock:
                opened.drop_torn_list()
                yield opened
        finally:
            _idle.append(opened)


def _check_repository() -> None:
    if not (ROOT / ".dvc").is_dir():
        raise EngineError(f"{ROOT} is not a DVC repository: run `dvc init` there (outside git: `dvc init --no-scm`)")
    if (cache := ROOT / ".dvc/cache").is_symlink() and not cache.exists():
        raise EngineError(f"{cache} links to {cache.readlink()}, which is missing: mount that disk, or `rm .dvc/cache`")


def _replace_dvc_parts() -> None:
    """Make DVC call the stage's work in this process, and raise BusyError where DVC would give up."""
    import dvc.rwlock
    import dvc.stage.run

    replace_lock_access()
    dvc.stage.run.cmd_run = _run_in_process
    dvc.rwlock.rwlock = _refuse_busy_paths


def _run_in_process(stage: PipelineStage, dry: bool = False, run_env: Any = None) -> None:
    _begun.value = True
    _works[stage.name](stage)


@contextmanager
def _refuse_busy_paths(
    tmp_dir: str, fs: Any, cmd: str, read: list[str], write: list[str], hardlink: bool
) -> Iterator[None]:
    """Replace DVC's path lock: respect the locks of other DVC commands, but hold none.

    The engine's own locks protect the stage. A concurrent `dvc repro` waits for those, but would fail on DVC's.
    """
    held = {} if getattr(_begun, "value", False) else _read_path_locks(tmp_dir)
    blockers = [(path, [info], read + write) for path, info in held.get("write", {}).items()]
    # A fingerprint may change while a stage that depends on it runs; the guard compares it afterwards.
    read_by_others = {path: infos for path, infos in held.get("read", {}).items() if f"/{FOLDER}/" not in path}
    blockers += [(path, infos, write) for path, infos in read_by_others.items()]
    for path, infos, wanted in blockers:
        if any(_overlap(path, mine) for mine in wanted) and any(_is_foreign(int(info["pid"])) for info in infos):
            raise BusyError(path)
    yield


def _read_path_locks(tmp_dir: str) -> dict[str, Any]:
    try:
        with open(os.path.join(tmp_dir, "rwlock"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            return json.load(file)
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError:  # its owner rewrites it now
        raise BusyError("rwlock") from None


def _overlap(first: str, other: str) -> bool:
    return f"{first}/".startswith(f"{other}/") or f"{other}/".startswith(f"{first}/")


def _is_foreign(pid: int) -> bool:
    """Return whether a process runs and is neither this one nor an ancestor (`dvc repro` is an ancestor)."""
    import psutil

    if not psutil.pid_exists(pid):
        return False
    return pid not in {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
