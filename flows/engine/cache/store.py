"""Makes stages fresh: DVC's own state machine decides, restores and commits."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from flows.engine.cache import shared
from flows.engine.cache.faults import refuse_links
from flows.engine.cache.lease import await_holder, drop_lease, hold_lease
from flows.engine.cache.repository import BusyError, OpenRepo, call_in_place_of_command, leave_gate, open_repo
from flows.engine.compute.guard import DisturbedError, InputDisturbedError
from flows.engine.errors import EngineError
from flows.engine.graph.stage import Stage, refuse_missing_files
from flows.engine.locks import hold_lock, stage_lock
from flows.engine.project import ROOT, STATE

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

BUSY_WAIT_S = 0.2
TRIES = 3
# DVC opens its database of hashes for each thread, so one thread checks freshness for all stages.
_asker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dvc")


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


@dataclass(frozen=True)
class Wanted:
    """A result to compute: its run-cache key, empty where results are not shared, and the md5 of each input by path."""

    key: str
    inputs: dict[str, str]
    force: bool


@dataclass(frozen=True)
class Delivery:
    """A result that another machine brought to DVC's remote and that was fetched: the md5 of each output, by path."""

    verdict: Verdict
    outputs: dict[str, str]


def _go_on() -> None:
    """Neither say nor raise anything."""


@dataclass(frozen=True)
class Work:
    """How a stage that DVC's cache lacks is made.

    `compute` computes it in its place, or has a node compute it. `on_wait` is called when another driver computes it;
    `check` is called while waiting, and may raise. A node holds no lease: its driver does.
    """

    compute: Callable[[Wanted], Delivery | None]
    on_wait: Callable[[], None] = _go_on
    check: Callable[[], None] = _go_on
    force: bool = False
    has_lease: bool = True

    def obtain(self, stage: str, wanted: Wanted) -> Delivery | None:
        """Fetch a result from DVC's remote, wait for the driver that computes it now, or compute it."""
        if not wanted.key:
            return self.compute(wanted)
        if not self.force and (found := self._find(stage, wanted)):
            return found
        if not self.has_lease:
            return self.compute(wanted)
        with hold_lease(wanted.key):
            delivery = self.compute(wanted)
        if delivery is not None:  # the remote has it already; what was computed here keeps its lease until it is sent
            drop_lease(wanted.key)
        return delivery

    def _find(self, stage: str, wanted: Wanted) -> Delivery | None:
        found = self._fetch(stage, wanted)
        if found is None and self.has_lease and await_holder(wanted.key, self.check, self.on_wait):
            found = self._fetch(stage, wanted)
        return found

    def _fetch(self, stage: str, wanted: Wanted) -> Delivery | None:
        outputs = shared.fetch(stage, wanted.key, self.check)
        return Delivery(Verdict.RESTORED, outputs) if outputs is not None else None


@dataclass
class _Task:
    """What DVC calls for a stage that its cache lacks, and how that made the stage fresh; None: not called."""

    work: Work
    verdict: Verdict | None = None
    is_delivered: bool = False

    def do(self, found: PipelineStage) -> None:
        """Obtain the stage's output; meanwhile other threads may use DVC."""
        wanted = _want(found, force=self.work.force)
        self.verdict = Verdict.RAN
        with leave_gate():
            delivery = self.work.obtain(found.name, wanted)
        if delivery is not None:
            self.verdict, self.is_delivered = delivery.verdict, True
            _place(found, delivery.outputs, wanted.key)


def bring_up_to_date(stage: Stage, work: Work) -> Outcome:
    """Make a stage fresh: keep it, restore it from DVC's cache or remote, or compute it with `work` and commit it.

    When the work fails, the stage's earlier output is restored and the error is raised. Raises EngineError
    when the stage differs from dvc.yaml, and whatever `work.check` raises while another process computes the stage.
    """
    disturbed = 0
    while True:
        with hold_lock(stage_lock(stage.name), work.on_wait, work.check):
            try:
                outcome = _reproduce(stage, _Task(work))
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
        work.check()
        time.sleep(BUSY_WAIT_S)


def compute_for_repro(stage: Stage, work: Work) -> Outcome | None:
    """Fetch a stage's output from DVC's remote, or compute it with `work`, for `dvc repro`, which records it.

    Returns None for a stage that neither learns nor is shared: opening DVC's repository takes as long as a small stage.
    When the work fails, the stage's earlier output is restored and the error is raised.
    """
    wanted = read_wanted(stage) if shared.is_remote_configured() else Wanted("", {}, force=False)
    try:
        delivery = work.obtain(stage.name, wanted)
    except BaseException:
        with open_repo() as opened:
            _check_out(opened, stage.name)
        raise
    if delivery is not None:
        with open_repo() as opened:
            found = opened.load(stage.name)
            _place(found, delivery.outputs, wanted.key)
            return _describe(found, delivery.verdict)
    return _save(stage, is_shared=bool(wanted.key)) if wanted.key or stage.learns else None


def read_wanted(stage: Stage) -> Wanted:
    """Return what a stage whose inputs are in place would compute."""
    with open_repo() as opened:
        found = opened.load(stage.name)
        found.save_deps()
        return _want(found, force=False)


def _want(found: PipelineStage, *, force: bool) -> Wanted:
    return Wanted(shared.make_key(found) or "", _list_inputs(found), force)


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


def share(stage: Stage) -> None:
    """Note that a stage's result is to be sent to DVC's remote, whether it was computed here or only restored."""
    with open_repo() as opened:
        shared.note_result(opened.load(stage.name))


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
    if fresh := _asker.submit(_find_fresh, stage, task.work.force).result():
        return fresh
    with open_repo() as opened:
        found = opened.load(stage.name)
        with call_in_place_of_command(stage.name, task.do):
            try:
                done = found.reproduce(force=task.work.force)
            except BaseException:
                if task.verdict is not None:
                    _check_out(opened, stage.name)
                raise
        if not done:
            return _describe(found, Verdict.CACHED)
        if task.verdict is Verdict.RAN and not task.is_delivered:
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
    return Outcome(verdict, _list_inputs(found), _md5(found.outs[0]))


def _list_inputs(found: PipelineStage) -> dict[str, str]:
    return {str(dep): _md5(dep) for dep in found.deps}


def _find_inputs(stage: Stage) -> None:
    refuse_links(stage)
    refuse_missing_files([stage])
    if missing := [dep for dep in stage.deps if not (ROOT / dep).exists()]:
        raise EngineError(
            f"{stage.name} needs {missing[0]}, which is missing: `dvc repro {stage.name}` computes that and then this "
            "stage"
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
