"""What nobody needs any more, weighed and, when told to, deleted: never under a running stage, never while in doubt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.engine.cache.store import open_repo
from flows.engine.cache.unused import Cache, read_lock_md5s
from flows.engine.errors import EngineError
from flows.engine.graph.dvc_yaml import check_stage, trace_all
from flows.engine.housekeeping import leftovers
from flows.engine.housekeeping.purge import can_purge, delete_runs, weigh_models, weigh_runs
from flows.engine.housekeeping.retention import Retention
from flows.engine.locks import hold_lock, stage_lock
from flows.engine.project import ROOT, STATE
from flows.engine.tracking.mlflow_store import look_into_store
from flows.engine.tracking.outbox import list_journals

DAY_S = 24 * 3600


@dataclass(frozen=True)
class Part:
    """Things of one kind that nobody needs: how many, how large (None: not known), and what deletes them."""

    kind: str
    count: int
    size_bytes: int | None
    delete: Callable[[], None]
    note: str = ""


@contextmanager
def find_freeable(days: int) -> Iterator[list[Part]]:
    """Yield what may be deleted, in the order in which it may; all locks are held meanwhile.

    Kept are runs younger than `days` with all data that they name. MLflow's come first: a break leaves data that no
    run names, which the next time finds. Raises EngineError when a stage runs or anything needed is not known.
    """
    client, since_s = look_into_store(), time.time() - days * DAY_S
    with ExitStack() as held:
        _hold_stages(held)
        _check_sent()
        repo = held.enter_context(open_repo()).repo
        present = _read_present()
        retention = Retention.decide(client, root=ROOT, days=days, present=present)
        cache = Cache.of(repo, present | retention.list_md5s())
        flow_runs = held.enter_context(leftovers.find_flow_runs(since_s))
        yield [
            _make_versions_part(retention),
            _make_mlflow_part(retention),
            _make_prefect_part(flow_runs),
            _make_files_part("Prefect results", leftovers.list_results(since_s)),
            _make_files_part("checkpoints of finished runs", leftovers.list_checkpoints(since_s)),
            *_list_cache_parts(cache),
        ]


def _hold_stages(held: ExitStack) -> None:
    """Hold the lock of every stage, so that none begins meanwhile. Raises EngineError when one is under way."""
    traced = {stage.name for stages in trace_all().values() for stage in stages}
    others = {path.stem for path in (STATE / "locks").glob("*.lock")}
    for name in sorted({check_stage().name, *traced, *others}):
        held.enter_context(hold_lock(stage_lock(name), lambda name=name: _refuse(name)))  # type: ignore[misc]


def _refuse(name: str) -> None:
    raise EngineError(f"{name} is being computed: nothing is freed; `python -m flows gc` again when it is done")


def _check_sent() -> None:
    if waiting := len(list_journals(ROOT)):
        raise EngineError(
            f"MLflow has not been told all of {waiting} runs, which wait in .trifold/outbox, so nobody knows which "
            "data they need: nothing is freed; a run under way must end, and the next run sends what is left"
        )


def _read_present() -> set[str]:
    """Return the md5s of the working tree's dvc.lock."""
    lock = ROOT / "dvc.lock"
    try:
        return read_lock_md5s(lock) if lock.exists() else set()
    except ValueError as error:
        raise EngineError(f"{error}: nothing is freed; `git restore dvc.lock` brings it back") from error


def _make_versions_part(retention: Retention) -> Part:
    """Versions are names for what their runs logged, which is weighed with these."""
    versions = retention.old_versions

    def delete() -> None:
        for version in versions:
            retention.client.delete_model_version(version.name, version.number)

    return Part("registered versions", len(versions), 0, delete)


def _make_mlflow_part(retention: Retention) -> Part:
    client, purges = retention.client, can_purge()
    runs = [run for run in retention.old.values() if purges or run.info.lifecycle_stage == "active"]
    models = retention.list_models()
    notes = []
    if retention.foreign:
        notes.append(f"{retention.foreign} lie outside this project and stay")
    if not purges:
        notes.append("their files stay until `mlflow gc` is called where MLflow's server is")
    size = weigh_runs(client, runs) + weigh_models(client, models)
    return Part("MLflow runs", len(runs), size, lambda: delete_runs(client, runs, models), "; ".join(notes))


def _make_prefect_part(found: leftovers.OldFlowRuns | None) -> Part:
    kind = "Prefect flow runs"
    if found is None:
        return Part(kind, 0, None, lambda: None, "its server is not up: `make up`, then again")
    return Part(kind, len(found.ids), None, found.delete)


def _make_files_part(kind: str, paths: list[Path]) -> Part:
    return Part(kind, len(paths), leftovers.weigh(paths), lambda: leftovers.delete(paths))


def _list_cache_parts(cache: Cache) -> Iterator[Part]:
    unused, spent = cache.find_unused(), cache.find_spent()
    yield Part("DVC cache", len(unused), sum(unused.values()), cache.free_unused)
    yield Part("DVC run cache", len(spent), sum(spent.values()), cache.free_spent)
