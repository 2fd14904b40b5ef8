"""Uses DVC in this process: its verdict on a stage, restore and commit.

DVC's own state machine decides and acts; only how it runs a command and how it waits are replaced. All code that
depends on DVC's internals is in `cache/`, written against the pinned version.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.cache import shared
from flows.engine.cache.faults import explain_faults, refuse_foreign_lock, refuse_links
from flows.engine.cache.lockfile import replace_lock_access
from flows.engine.compute.guard import DisturbedError, InputDisturbedError
from flows.engine.errors import EngineError
from flows.engine.graph.fingerprint import FOLDER
from flows.engine.graph.stage import Stage, refuse_missing_files
from flows.engine.locks import hold_lock, stage_lock
from flows.engine.project import ROOT, STATE

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

BUSY_WAIT_S = 0.2
TRIES = 3
# Longer than rewriting a small file takes.
REWRITE_S = 10.0


class Verdict(StrEnum):
    """How a stage became fresh."""

    CACHED = "cached"
    RESTORED = "restored"
    RAN = "ran"


@dataclass(frozen=True)
class Outcome:
    """A fresh stage: how it became fresh, and the md5 of each input and of the output."""

    verdict: Verdict
    inputs: dict[str, str]
    output: str


# A file's name, inode and modification time.
Signature = tuple[str, int, int]


@dataclass
class _Task:
    """What DVC calls for a stage that its cache does not have, and how that made the stage fresh; None: not called."""

    work: Callable[[], object]
    force: bool
    check: Callable[[], None]
    verdict: Verdict | None = None

    def do(self, found: PipelineStage) -> None:
        """Fetch the stage's output from DVC's remote, or compute it; meanwhile other threads may use DVC."""
        _begun.value = True
        key = None if self.force else shared.make_key(found)
        self.verdict = Verdict.RESTORED
        with _leave_gate():
            outputs = shared.fetch(found.name, key, self.check) if key else None
            if outputs is None:
                self.verdict = Verdict.RAN
                self.work()
        if outputs is not None:
            _place(found, outputs, str(key))


@contextmanager
def _leave_gate() -> Iterator[None]:
    """Let other threads use DVC in this block."""
    _gate.release()
    try:
        yield
    finally:
        _gate.acquire()


class BusyError(Exception):
    """Another DVC command works on this stage; try again later."""


# Only one thread at a time uses DVC; it releases this lock while its stage computes.
_gate = threading.RLock()
# DVC opens its database of hashes for each thread, so one thread checks freshness for all stages.
_asker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dvc")
# Opening a repository takes half a second, so idle ones are reused.
_idle: list[OpenRepo] = []
# The functions that make running stages fresh, by name: DVC calls back through `_run_in_process`.
_works: dict[str, Callable[[PipelineStage], None]] = {}
# Whether this thread has begun to compute: from then on, others that need the same stage wait for this thread.
_begun = threading.local()


def bring_up_to_date(
    stage: Stage,
    work: Callable[[], object],
    *,
    force: bool = False,
    on_wait: Callable[[], None] = lambda: None,
    check: Callable[[], None] = lambda: None,
) -> Outcome:
    """Make a stage fresh: keep it, restore it from DVC's cache or remote, or compute it with `work` and commit it.

    When the work fails, the stage's earlier output is restored and the error is raised. Raises EngineError
    when the stage differs from dvc.yaml, and whatever `check` raises while another process computes the stage.
    """
    disturbed = 0
    while True:
        with hold_lock(stage_lock(stage.name), on_wait, check):
            try:
                outcome = _reproduce(stage, _Task(work, force, check))
                if outcome.verdict is Verdict.RAN:
                    shared.send_in_background()
                return outcome
            except BusyError:
                pass
            except DisturbedError as error:
                # Another driver may have restored an input meanwhile, with the same bytes: ask DVC again.
                disturbed += 1
                if not error.by_input or disturbed == TRIES:
                    raise
        check()
        time.sleep(BUSY_WAIT_S)


def compute_for_repro(stage: Stage, work: Callable[[], object]) -> Outcome | None:
    """Fetch a stage's output from DVC's remote, or compute it with `work`, for `dvc repro`, which records it.

    Returns None for a stage that neither learns nor is shared: opening DVC's repository takes as long as a small stage.
    When the work fails, the stage's earlier output is restored and the error is raised.
    """
    key = _read_key(stage) if shared.is_remote_configured() else None
    if key and (outputs := shared.fetch(stage.name, key, lambda: None)):
        with open_repo() as opened:
            found = opened.load(stage.name)
            _place(found, outputs, key)
            return _describe(found, Verdict.RESTORED)
    try:
        work()
    except BaseException:
        with open_repo() as opened:
            _check_out(opened, stage.name)
        raise
    return _save(stage, is_shared=bool(key)) if key or stage.learns else None


def _read_key(stage: Stage) -> str | None:
    with open_repo() as opened:
        found = opened.load(stage.name)
        found.save_deps()
        return shared.make_key(found)


def _save(stage: Stage, *, is_shared: bool) -> Outcome:
    """Describe a stage that was just computed; commit a shared one, because DVC would after its command has ended."""
    with open_repo() as opened:
        found = opened.load(stage.name)
        found.save_deps()
        found.save_outs()
        if is_shared:
            found.commit()
            found.repo.stage_cache.save(found)
            shared.note_result(found)
        return _describe(found, Verdict.RAN)


def read_recorded(names: list[str]) -> dict[str, str]:
    """Return the md5 of stages' outputs in dvc.lock, by name; empty for a stage that was never computed."""
    with open_repo() as opened:
        return {name: _md5(opened.load(name).outs[0]) for name in names}


def _place(found: PipelineStage, outputs: dict[str, str], key: str) -> None:
    """Put a fetched result where the stage has its output. Raises InputDisturbedError when the stage's key changed."""
    shared.place(found, outputs)
    found.save_deps()
    if shared.make_key(found) != key:
        raise InputDisturbedError(f"{found.name}: an input changed while the output was fetched: run again")


def _mark_recorded(name: str) -> None:
    """Note that a driver other than `dvc repro` just recorded this stage."""
    mark = STATE / "recorded" / name
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _reproduce(stage: Stage, task: _Task) -> Outcome:
    _find_inputs(stage)
    if fresh := _asker.submit(_find_fresh, stage, task.force).result():
        return fresh
    with open_repo() as opened:
        found = opened.load(stage.name)
        _works[stage.name] = task.do
        try:
            done = found.reproduce(force=task.force)
        except BaseException:
            if task.verdict is not None:
                _check_out(opened, stage.name)
            raise
        finally:
            del _works[stage.name]
            _begun.value = False
        if not done:
            return _describe(found, Verdict.CACHED)
        if task.verdict is Verdict.RAN:
            shared.note_result(found)
        found.dump(update_pipeline=False)
        _mark_recorded(stage.name)
        return _describe(found, task.verdict or Verdict.RESTORED)


def _find_fresh(stage: Stage, force: bool) -> Outcome | None:
    with open_repo() as opened:
        found = opened.load(stage.name)
        _compare_command(found, stage)
        return None if force or found.changed() else _describe(found, Verdict.CACHED)


def _describe(found: PipelineStage, verdict: Verdict) -> Outcome:
    return Outcome(verdict, {str(dep): _md5(dep) for dep in found.deps}, _md5(found.outs[0]))


def _find_inputs(stage: Stage) -> None:
    refuse_links(stage)
    refuse_missing_files([stage])
    if missing := [dep for dep in stage.deps if not (ROOT / dep).exists()]:
        raise EngineError(
            f"{stage.name} needs {missing[0]}, which is missing: compute it with `dvc repro {stage.name}`"
        )


def _md5(entry: Any) -> str:
    return str(entry.hash_info.value) if entry.hash_info else ""


def _compare_command(found: PipelineStage, stage: Stage) -> None:
    if found.cmd != stage.command or not set(stage.deps) <= {str(dep) for dep in found.deps}:
        raise EngineError(f"{stage.name} differs between dvc.yaml and the flow: run `python -m flows graph --write`")


def _check_out(opened: OpenRepo, name: str) -> None:
    found = opened.load(name)
    if all(out.hash_info for out in found.outs):
        found.checkout(force=True)


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

    def _read_pipeline(self) -> None:
        from dvc.dvcfile import load_file

        if (signed := _sign(ROOT / "dvc.yaml", *sorted((ROOT / "params").glob("*.yaml")))) != self._signed:
            self.repo._reset()
            self._file, self._stages, self._signed = load_file(self.repo, str(ROOT / "dvc.yaml")), None, signed

    def _read_lock(self) -> None:
        if (signed := _sign(ROOT / "dvc.lock")) != self._lock_signed or self._stages is None:
            locked = self._file._lockfile.load()
            self._stages, self._lock_signed = self._file.LOADER(self._file, self._file.contents, locked), signed


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
    except json.JSONDecodeError:
        if time.time() - Path(tmp_dir, "rwlock").stat().st_mtime < REWRITE_S:
            # The file was read while its owner rewrites it.
            raise BusyError("rwlock") from None
        raise EngineError(f"{tmp_dir}/rwlock is damaged: end all DVC commands, then `rm {tmp_dir}/rwlock`") from None


def _overlap(first: str, other: str) -> bool:
    return f"{first}/".startswith(f"{other}/") or f"{other}/".startswith(f"{first}/")


def _is_foreign(pid: int) -> bool:
    """Return whether a process runs and is neither this one nor an ancestor (`dvc repro` is an ancestor)."""
    import psutil

    if not psutil.pid_exists(pid):
        return False
    return pid not in {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
