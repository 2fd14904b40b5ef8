"""Fetches all results of a team into DVC's cache: `python -m flows.engine.cache.remote`.

DVC's `fetch --run-cache` fetches the run cache, but only those data files that dvc.lock names. Written
against the pinned version of DVC, as `store.py` is.
"""

from __future__ import annotations

import sys

from flows.engine.cache.faults import explain_faults
from flows.engine.errors import EngineError
from flows.engine.project import ROOT


def fetch_all() -> None:
    """Fetch the data that dvc.lock and the default remote's run cache name. Raises EngineError when DVC refuses."""
    from dvc.repo import Repo

    with explain_faults(), Repo(str(ROOT)) as repo, repo.lock:
        entries = repo.stage_cache.pull(None)
        for remote, objects in repo.used_objs(used_run_cache=entries).items():
            repo.cloud.pull(objects, odb=remote)


if __name__ == "__main__":
    try:
        fetch_all()
    except EngineError as error:
        sys.exit(f"error: {error}")
