"""What runs unattended: `prefect.yaml`'s deployments on the project's own server, and a worker for them."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from flows.engine.errors import EngineError
from flows.engine.servers.kinds import POOL
from flows.engine.servers.server import Server, up, use_prefect
from flows.engine.servers.team import PREFECT, use_team_prefect

# Runs at a time, whichever deployment they are of: what they compute with is the same machine.
RUNS_AT_A_TIME = 1
HEARTBEAT = "prefect.flow-run.heartbeat"
# Six heartbeats: a machine that is busy is late with some.
SILENCE_S = 180.0


def bring_up(root: Path) -> list[Server]:
    """Start the servers, deploy what prefect.yaml says, and start the worker, each where it is not up.

    Raises ServerError when one does not start, EngineError when Prefect does not take prefect.yaml.
    """
    servers = up(root)
    use_prefect(root, servers["prefect"].api_url)
    _make_pool()
    _deploy(root)
    return [*servers.values(), *up(root, ["worker"]).values()]


def deploy_to_team(root: Path) -> str:
    """Deploy what prefect.yaml says on the server that PREFECT_API_URL names, whose pool is there; return its address.

    Raises EngineError when none is named, when it does not answer, and when Prefect does not take prefect.yaml.
    """
    address = use_team_prefect(root)
    if address is None:
        raise EngineError(f"{PREFECT} names no server: set it, or use `make up`, which also deploys")
    _deploy(root)
    return address


def _deploy(root: Path) -> None:
    watch_heartbeats(SILENCE_S)
    _deploy_all(root)


def watch_heartbeats(silence_s: float) -> None:
    """Have the Prefect server mark a run Crashed that has not told for `silence_s` that it lives.

    When a run's process dies together with the worker, nobody else does: it would stay Running, and keep the pool's
    one place, for ever. What was seen of a run outlives a restart of the server.
    """
    from prefect.client.orchestration import get_client
    from prefect.events import Posture
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger
    from prefect.states import StateType

    # A watch that is changed forgets what it has seen, so that one is made once for each length of silence.
    name = f"crash what is silent for {silence_s:.0f} s"
    trigger = EventTrigger(
        posture=Posture.Proactive,
        after={HEARTBEAT},
        expect={HEARTBEAT, *(f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "Cancelled", "Crashed"))},
        for_each={"prefect.resource.id"},
        threshold=1,
        within=timedelta(seconds=silence_s),
    )
    why = f"its process died: silent for {silence_s:.0f} s"
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
        raise EngineError(f"Prefect does not take prefect.yaml: mend it, then `make up`:\n{done.stdout}{done.stderr}")
