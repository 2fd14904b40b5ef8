"""The servers of a team, set by environment variables; by default a project has its own."""

from __future__ import annotations

import os
from pathlib import Path

from flows.engine.errors import EngineError
from flows.engine.redact import strip_secrets
from flows.engine.servers.server import read_dotenv, use_prefect
from flows.engine.servers.specs import HOST

PREFECT, MLFLOW = "PREFECT_API_URL", "MLFLOW_TRACKING_URI"
# Retries, with growing waits of some seconds in all.
TRIES = 2


def name_team_prefect(root: Path) -> str | None:
    """Return the address in PREFECT_API_URL, or None where it is empty or the project's own server.

    Editors and shells load the project's `.env`, which holds its own server's address even when that is down.
    """
    address = os.environ.get(PREFECT)
    if not address or (address.startswith(f"http://{HOST}:") and address == read_dotenv(root / ".env", PREFECT)):
        return None
    return address


def use_team_prefect(root: Path) -> str | None:
    """Make this process use the team's Prefect server in PREFECT_API_URL; return its address, or None without one.

    Raises EngineError when it does not answer.
    """
    address = name_team_prefect(root)
    if address is None:
        return None
    use_prefect(root, address)
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    # By default, Prefect retries for 45 s.
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: TRIES}), get_client(sync_client=True) as client:
        trouble = client.api_healthcheck()
    shown = strip_secrets(address)
    if trouble is not None:
        why = strip_secrets(str(trouble)) or type(trouble).__name__
        raise EngineError(
            f"the Prefect server at {shown} does not answer ({why}): start it, or set {PREFECT} to another; without "
            "the variable, `python -m flows run` uses the project's own server"
        )
    return shown
