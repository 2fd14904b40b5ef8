"""Unattended runs: the deployments in `prefect.yaml`, and a worker that executes them."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from flows.engine.errors import EngineError
from flows.engine.servers.server import Server, up, use_prefect
from flows.engine.servers.specs import POOL
from flows.engine.servers.team import PREFECT, use_team_prefect

# The pool's limit of concurrent runs, over all deployments: they share one machine.
RUNS_AT_A_TIME = 1
HEARTBEAT = "prefect.flow-run.heartbeat"
# Six heartbeats: a busy machine sends some late.
SILENCE_S = 180.0


def bring_up(root: Path) -> list[Server]:
    """Start the servers, deploy prefect.yaml, and start the worker; running servers are left alone.

    Raises ServerError when a server does not start, EngineError when Prefect rejects prefect.yaml.
    """
    servers = up(root)
    use_prefect(root, servers["prefect"].api_url)
    _make_pool()
    _deploy(root)
    return [*servers.values(), *up(root, ["worker"]).values()]


def deploy_to_team(root: Path) -> str:
    """Deploy prefect.yaml to the server in PREFECT_API_URL, which must have the work pool; return its address.

    Raises EngineError when the variable is not set, the server does not answer, or Prefect rejects prefect.yaml.
    """
    address = use_team_prefect(root)
    if address is None:
        raise EngineError(
            f"{PREFECT} names no team server: set it, or run `make up`, which deploys to the project's own server"
        )
    _deploy(root)
    return address


def _deploy(root: Path) -> None:
    watch_heartbeats(SILENCE_S)
    _deploy_all(root)


def watch_heartbeats(silence_s: float) -> None:
    """Let the Prefect server mark a run as Crashed after `silence_s` without a heartbeat.

    When a run's process dies together with the worker, nothing else ends the run: it would stay Running and keep the
    pool's only slot for ever. The server remembers the last heartbeat across a restart.
    """
    from prefect.client.orchestration import get_client
    from prefect.events import Posture
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger
    from prefect.states import StateType

    # A changed automation forgets the heartbeats it has seen, so there is one automation for each `silence_s`.
    name = f"mark runs without heartbeat for {silence_s:.0f} s as Crashed"
    trigger = EventTrigger(
        posture=Posture.Proactive,
        after={HEARTBEAT},
        expect={HEARTBEAT, *(f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "Cancelled", "Crashed"))},
        for_each={"prefect.resource.id"},
        threshold=1,
        within=timedelta(seconds=silence_s),
    )
    why = f"no heartbeat for {silence_s:.0f} s: its process died"
    crash = ChangeFlowRunState(name=None, state=StateType.CRASHED, message=why, force=False)
    with get_client(sync_client=True) as client:
        if not client.read_automations_by_name(name):
            client.create_automation(AutomationCore(name=name, trigger=trigger, actions=[crash]))


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
        raise EngineError(
            f"Prefect rejects prefect.yaml: correct the file, then run this again:\n{done.stdout}{done.stderr}"
        )
