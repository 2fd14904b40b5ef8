"""The servers of a project: how each is started, and how its health is checked."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.engine.tracking.outbox import read_json

HOST = "127.0.0.1"
# The name in prefect.yaml.
POOL = "trifold"
# How often the worker polls for runs, and how often a run sends a heartbeat, seconds.
POLL_RUNS_S = 5
HEARTBEAT_S = 30


@dataclass(frozen=True)
class ServerSpec:
    """How a server is started, and how its health is checked."""

    name: str
    usual_port: int
    health: str
    command: Callable[[int], list[str]]
    env: Callable[[Path, int], dict[str, str]]


def find_record(root: Path) -> Path:
    """Return the file that records the project's servers, their ports and processes."""
    return root / ".trifold" / "servers.json"


def _prefect_command(port: int) -> list[str]:
    return ["prefect", "server", "start", "--host", HOST, "--port", str(port)]


def _prefect_env(root: Path, port: int) -> dict[str, str]:
    home = root / ".trifold" / "prefect"
    # Prefect creates its folder but not the parents, and then cannot open its database.
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PREFECT_HOME": str(home),
        # By default its page would use Prefect's usual port, whatever listens there.
        "PREFECT_SERVER_UI_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }


def _mlflow_command(port: int) -> list[str]:
    store = ["--backend-store-uri", "sqlite:///mlflow.db"]
    return ["mlflow", "server", *store, "--host", HOST, "--port", str(port), "--workers", "1"]


def _mlflow_env(root: Path, port: int) -> dict[str, str]:
    # MLflow's job runners (for its GenAI jobs) would be seven more processes of 250 MB, and 40 s of processor time.
    return {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _worker_command(port: int) -> list[str]:
    # Its health page, on the port in its environment, says whether it still polls.
    return ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--with-healthcheck"]


def _worker_env(root: Path, port: int) -> dict[str, str]:
    """Return the environment of the worker and its flows; MLflow's address is passed on."""
    servers = read_json(find_record(root))["servers"]
    (prefect,) = (server["port"] for server in servers if server["name"] == "prefect")
    return {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")} | {
        "PREFECT_HOME": str(root / ".trifold" / "prefect"),
        "PREFECT_API_URL": f"http://{HOST}:{prefect}/api",
        "PREFECT_WORKER_WEBSERVER_HOST": HOST,
        "PREFECT_WORKER_WEBSERVER_PORT": str(port),
        "PREFECT_WORKER_QUERY_SECONDS": str(POLL_RUNS_S),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
        # Prefect removes the project's folder from the path after importing the flow; stages import more modules.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")])),
    }


SPECS = {
    "prefect": ServerSpec("prefect", 4200, "/api/health", _prefect_command, _prefect_env),
    "mlflow": ServerSpec("mlflow", 5000, "/health", _mlflow_command, _mlflow_env),
    "worker": ServerSpec("worker", 4300, "/health", _worker_command, _worker_env),
}
