"""All that a team has computed, brought into DVC's cache: `python -m flows.engine.cache.remote`.

DVC's `fetch --run-cache` brings what the run cache knows, but of the files only those that dvc.lock names. Written
against the pinned version of DVC, as `store.py` is.
"""

from __future__ import annotations

import sys

from flows.engine.cache.faults import explain_faults
from flows.engine.errors import EngineError
from flows.engine.project import ROOT


def fetch_all() -> None:
    """Bring what dvc.lock and the run cache of the default remote name. Raises EngineError where DVC refuses."""
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
