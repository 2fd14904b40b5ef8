"""Lists and deletes what nothing needs any more: never while a stage runs, never when in doubt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.engine.cache.repository import open_repo
from flows.engine.cache.shared import ask, is_remote_configured
from flows.engine.cache.unused import Cache, read_lock_md5s
from flows.engine.errors import EngineError
from flows.engine.graph.dvc_yaml import check_stage, trace_all
from flows.engine.housekeeping import leftovers
from flows.engine.housekeeping.purge import can_purge, delete_runs, weigh_models, weigh_runs
from flows.engine.housekeeping.retention import Retention
from flows.engine.locks import hold_lock, stage_lock
from flows.engine.project import ROOT, STATE
from flows.engine.tracking.mlflow_store import open_existing_store
from flows.engine.tracking.outbox import list_journals

DAY_S = 24 * 3600


@dataclass(frozen=True)
class Freeable:
    """Unneeded things of one kind: their number, their size (None: unknown), and the function that deletes them."""

    kind: str
    count: int
    size_bytes: int | None
    delete: Callable[[], None]
    note: str = ""


@contextmanager
def find_freeable(days: int) -> Iterator[list[Freeable]]:
    """Yield what can be deleted, in the required order; all locks are held meanwhile.

    Runs younger than `days` are kept with all data that they name. MLflow's runs come first: an interruption then
    leaves data that no run names, which the next `gc` finds. Raises EngineError when a stage runs, or when in doubt.
    """
    client, since_s = open_existing_store(), time.time() - days * DAY_S
    with ExitStack() as held:
        _hold_stages(held)
        _check_sent()
        repo = held.enter_context(open_repo()).repo
        present = _read_present()
        retention = Retention.decide(client, root=ROOT, days=days, present=present)
        cache = Cache.of(repo, present | retention.list_md5s())
        flow_runs = held.enter_context(leftovers.find_flow_runs(since_s))
        yield [
            _find_versions(retention),
            _find_mlflow(retention),
            _find_prefect(flow_runs),
            _find_files("Prefect results", leftovers.list_results(since_s)),
            _find_files("checkpoints of finished runs", leftovers.list_checkpoints(since_s)),
            _find_files("downloaded files", leftovers.list_downloads(since_s)),
            _find_files("nodes of this machine", leftovers.list_nodes(since_s)),
            _find_abandoned(since_s),
            *_list_cache(cache),
        ]


def _hold_stages(held: ExitStack) -> None:
    """Hold the lock of every stage, so that none begins meanwhile. Raises EngineError when one is running."""
    traced = {stage.name for stages in trace_all().values() for stage in stages}
    others = {path.stem for path in (STATE / "locks").glob("*.lock")}
    for name in sorted({check_stage().name, *traced, *others}):
        held.enter_context(hold_lock(stage_lock(name), lambda name=name: _refuse(name)))  # type: ignore[misc]


def _refuse(name: str) -> None:
    raise EngineError(f"{name} is being computed: nothing was deleted; run `python -m flows gc` again when it is done")


def _check_sent() -> None:
    if waiting := len(list_journals(ROOT)):
        raise EngineError(
            f"{waiting} runs in .trifold/outbox have not been sent to MLflow completely, so it is unknown which "
            "data they need: nothing was deleted; wait until running flows have ended, or start a run to send the rest"
        )


def _read_present() -> set[str]:
    """Return the md5s of the working tree's dvc.lock."""
    lock = ROOT / "dvc.lock"
    try:
        return read_lock_md5s(lock) if lock.exists() else set()
    except ValueError as error:
        raise EngineError(f"{error}: nothing was deleted; `git restore dvc.lock` restores the file") from error


def _find_versions(retention: Retention) -> Freeable:
    """Return the old versions; their files belong to the runs that logged them, so their size is 0 here."""
    versions = retention.old_versions

    def delete() -> None:
        for version in versions:
            retention.client.delete_model_version(version.name, version.number)

    return Freeable("registered versions", len(versions), 0, delete)


def _find_mlflow(retention: Retention) -> Freeable:
    client, purges = retention.client, can_purge()
    runs = [run for run in retention.old.values() if purges or run.info.lifecycle_stage == "active"]
    models = retention.list_models()
    notes = []
    if retention.foreign:
        notes.append(f"{retention.foreign} with files outside this project are kept")
    if not purges:
        notes.append("`mlflow gc` on the server's machine deletes their files")
    size = weigh_runs(client, runs) + weigh_models(client, models)
    return Freeable("MLflow runs", len(runs), size, lambda: delete_runs(client, runs, models), "; ".join(notes))


def _find_prefect(found: leftovers.OldFlowRuns | None) -> Freeable:
    kind = "Prefect flow runs"
    if found is None:
        return Freeable(kind, 0, None, lambda: None, "the server is not running: `make up`, then repeat")
    return Freeable(kind, len(found.ids), None, found.delete)


def _find_files(kind: str, paths: list[Path]) -> Freeable:
    return Freeable(kind, len(paths), leftovers.weigh(paths), lambda: leftovers.delete(paths))


def _find_abandoned(since_s: float) -> Freeable:
    """Return the checkpoints and leases in DVC's remote that no training will use."""
    kind = "unfinished work in DVC's remote"
    if not is_remote_configured():
        return Freeable(kind, 0, 0, lambda: None)
    found = ask(lambda remote: remote.find_abandoned(since_s), lambda: None)
    if found is None:
        return Freeable(kind, 0, None, lambda: None, "the remote cannot be reached")
    sizes = found

    def delete() -> None:
        ask(lambda remote: remote.delete(sizes), lambda: None)

    return Freeable(kind, len(sizes), sum(sizes.values()), delete)


def _list_cache(cache: Cache) -> Iterator[Freeable]:
    unused, spent = cache.find_unused(), cache.find_spent()
    yield Freeable("DVC cache", len(unused), sum(unused.values()), cache.free_unused)
    yield Freeable("DVC run cache", len(spent), sum(spent.values()), cache.free_spent)
