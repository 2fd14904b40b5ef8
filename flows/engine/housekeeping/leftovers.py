"""Leftovers of earlier runs besides their results: checkpoints, downloads, Prefect's flow runs and stored results."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from flows.engine.project import ROOT, STATE

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

# The form in which `work.py` names a stage's checkpoint folder: the stage's name and a digest of its inputs.
CHECKPOINTS = re.compile(r"(?P<stage>.+)-[0-9a-f]{16}")
# The file in which a download keeps the digest that its file had at first.
DIGEST = "digest.txt"
A_PAGE = 200


def list_checkpoints(since_s: float) -> list[Path]:
    """Return the checkpoint folders that no training will resume from.

    The stage has finished since the last write, or the last write was before `since_s`, seconds since the epoch.
    """
    found = []
    for folder in sorted((STATE / "checkpoints").glob("*")):
        if named := CHECKPOINTS.fullmatch(folder.name):
            recorded = STATE / "recorded" / named["stage"]
            finished_s = recorded.stat().st_mtime if recorded.exists() else 0.0
            if _read_last_write(folder) < max(finished_s, since_s):
                found.append(folder)
    return found


def list_downloads(since_s: float) -> list[Path]:
    """Return the downloaded files that no download goes on from, as for checkpoints; their digests stay."""
    found = []
    for path in sorted((STATE / "downloads").rglob("*")):
        recorded = STATE / "recorded" / path.relative_to(STATE / "downloads").parts[0]
        finished_s = recorded.stat().st_mtime if recorded.exists() else 0.0
        is_data = path.is_file() and path.name != DIGEST
        if is_data and path.stat().st_mtime < max(finished_s, since_s):
            found.append(path)
    return found


def list_nodes(since_s: float) -> list[Path]:
    """Return the nodes of this machine that were last used before `since_s`, and of others the older trees."""
    found = []
    for node in sorted((STATE / "nodes").glob("*")):
        *older, newest = sorted((node / "trees").glob("*"), key=_read_use) or [node]
        found += [node] if _read_use(newest) < since_s else older
    return found


def list_results(since_s: float) -> list[Path]:
    """Return the files in which Prefect stored results before `since_s`."""
    found = (STATE / "prefect" / "storage").rglob("*")
    return sorted(path for path in found if path.is_file() and path.stat().st_mtime < since_s)


def delete(paths: list[Path]) -> None:
    """Delete files and folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def weigh(paths: list[Path]) -> int:
    """Return the total size of files and of the files in folders, bytes."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sum(file.stat().st_size for file in files if file.is_file())


@dataclass(frozen=True)
class OldFlowRuns:
    """Flow runs that ended long ago, on the project's own Prefect server."""

    ids: list[UUID]
    delete: Callable[[], None]


@contextmanager
def find_flow_runs(since_s: float) -> Iterator[OldFlowRuns | None]:
    """Yield the flow runs that ended before `since_s`; None when the project's Prefect server is not running."""
    from flows.engine.servers.server import use_prefect, where

    server = next((server for server in where(ROOT) if server.name == "prefect"), None)
    if server is None:
        yield None
        return
    use_prefect(ROOT, server.api_url)
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        ids = list(_list_flow_runs(client, since_s))
        yield OldFlowRuns(ids, lambda: _delete_flow_runs(client, ids))


def _list_flow_runs(client: SyncPrefectClient, since_s: float) -> Iterator[UUID]:
    from prefect.client.schemas.filters import FlowRunFilter

    ended = FlowRunFilter.model_validate({"end_time": {"before_": datetime.fromtimestamp(since_s, UTC)}})
    offset = 0
    while page := client.read_flow_runs(flow_run_filter=ended, limit=A_PAGE, offset=offset):
        yield from (run.id for run in page)
        offset += len(page)


def _delete_flow_runs(client: SyncPrefectClient, ids: list[UUID]) -> None:
    from prefect.exceptions import ObjectNotFound

    for id in ids:
        try:
            client.delete_flow_run(id)
        except ObjectNotFound:
            # The run has been deleted meanwhile, on Prefect's page.
            continue


def _read_use(folder: Path) -> float:
    return folder.stat().st_mtime


def _read_last_write(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
