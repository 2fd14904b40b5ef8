"""Helpers of the tracking tests that read and change a real MLflow store."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.engine.machine import Identity
from flows.engine.tracking.journal import SENDER, Journal, start_sender, wait_sent
from flows.engine.tracking.outbox import find_outbox, list_journals, read_json

REPOSITORY = Path(__file__).parents[2]


def use_tracker(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Make MLflow in this process use `address`, as its environment variable would."""
    import mlflow

    # MLflow sets both itself, for good.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)


def send_rest(root: Path) -> None:
    """Wait until all finished runs of a project have been sent to MLflow."""
    if any(not journal.has_writer() for journal in list_journals(root)):
        waiting = wait_sent(root, start_sender(root), timeout_s=120)
        assert not waiting.why, waiting


def kill_sender(root: Path) -> None:
    """End the sender of a project at once, which would go on writing into its folder."""
    record = read_json(find_outbox(root) / SENDER)
    if record and not (sender := Identity(**record["process"])).is_gone():
        os.kill(sender.pid, signal.SIGKILL)


def begin(root: Path, name: str = "fit", **more: Any) -> Journal:
    """Begin a run of the experiment `audio`."""
    return Journal.begin(root, name=name, experiment="audio", **more)


def open_client(root: Path, name: str = "mlflow.db") -> Any:
    """Return a client of a store in `root`."""
    from mlflow.tracking import MlflowClient

    address = f"sqlite:///{root}/{name}"
    return MlflowClient(address, registry_uri=address)


def read_runs(root: Path, name: str = "mlflow.db") -> dict[str, Any]:
    """Return the newest run of each name in a store."""
    client = open_client(root, name)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_name: run for run in reversed(client.search_runs(experiments))}


def read_history(root: Path, run: Any, name: str) -> list[tuple[int, float]]:
    """Return the steps and values of one metric."""
    found = open_client(root).get_metric_history(run.info.run_id, name)
    return [(metric.step, metric.value) for metric in found]


def make_killed(root: Path) -> None:
    """Let another process begin a run, record an epoch, and be killed."""
    code = (
        "import os, signal; from pathlib import Path; from flows.engine.tracking.journal import Journal;"
        f"journal = Journal.begin(Path({str(root)!r}), name='killed', experiment='audio');"
        "journal.metrics({'loss': 0.5}, 0); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert ended.returncode == -signal.SIGKILL


@contextmanager
def serve_silence() -> Iterator[int]:
    """A tracker that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]
