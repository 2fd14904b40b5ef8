"""What runs unattended: `prefect.yaml`'s deployments on the project's own server, and a worker for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flows.engine.errors import EngineError
from flows.engine.kinds import POOL
from flows.engine.server import Server, up, use_prefect

# Runs at a time, whichever deployment they are of: what they compute with is the same machine.
RUNS_AT_A_TIME = 1


def bring_up(root: Path) -> list[Server]:
    """Start the servers, deploy what prefect.yaml says, and start the worker, each where it is not up.

    Raises ServerError when one does not start, EngineError when Prefect does not take prefect.yaml.
    """
    servers = up(root)
    use_prefect(root, servers["prefect"])
    _make_pool()
    _deploy_all(root)
    return [*servers.values(), *up(root, ["worker"]).values()]


def _make_pool() -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    with get_client(sync_client=True) as client:
        pool = WorkPoolCreate(name=POOL, type="process", concurrency_limit=RUNS_AT_A_TIME)
        client.create_work_pool(pool, overwrite=True)


def _deploy_all(root: Path) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"Prefect does not take prefect.yaml: mend it, then `make up`:\n{done.stdout}{done.stderr}")
