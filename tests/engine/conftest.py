"""One computed tiny project for all tests of the engine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.audio_project import AudioProject
from tests.engine.mlflow_store import kill_sender, use_tracker
from tests.engine.tiny_project import TinyProject
from tests.warm import WarmPython


@pytest.fixture(autouse=True)
def no_sender_outlives_its_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stop the senders of tests' projects, which would wait for a next run."""
    yield
    folder = tmp_path_factory.getbasetemp()
    for depth in ("*", "*/*"):
        for outbox in folder.glob(f"{depth}/.trifold/outbox"):
            kill_sender(outbox.parents[1])


@pytest.fixture(scope="session")
def tiny_base(server_state: Path, warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """The tiny project, computed once; tests take copies."""
    project = TinyProject.create(tmp_path_factory.mktemp("tiny") / "base", server_state, warm)
    project.drive("dvc").check()
    project.computed()
    return project


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TinyProject], dict[str, str]]:
    """The result of a run from scratch, in another folder, for a project's current state."""
    known: dict[str, dict[str, str]] = {}

    def compute(project: TinyProject) -> dict[str, str]:
        digest = project.digest()
        if digest not in known:
            fresh = project.copy_sources(tmp_path_factory.mktemp("truth") / "tiny")
            fresh.drive("prefect").check()
            known[digest] = fresh.outputs()
        return known[digest]

    return compute


@pytest.fixture(scope="session")
def unattended(server_state: Path, warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    """The tiny project, committed, with servers and a worker of its own, started under a foreign Prefect profile."""
    project = TinyProject.create(tmp_path_factory.mktemp("unattended") / "tiny", server_state, warm)
    project.record.unlink()
    project.commit()
    foreign = {
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:////nowhere/prefect.db",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    }
    # Not by the warm Python, whose Prefect knows another server.
    project.call(sys.executable, "-m", "flows", "up", **foreign).check()
    yield project
    project.call(sys.executable, "-m", "flows", "down").check()


@pytest.fixture(scope="session")
def audio_run(warm: WarmPython, server_state: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioProject:
    """A checkout that ran the whole sounds flow once under Prefect, in holdout mode with one short training."""
    made = AudioProject.create(tmp_path_factory.mktemp("audio") / "whole", warm)
    (made.root / ".trifold").mkdir(exist_ok=True)
    shutil.copy(server_state, made.root / ".trifold/servers.json")
    made.set_param("recipe.epochs", "2")
    made.said = made.call("python", "-m", "flows", "run", "audio").check().output
    return made


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its tables, which take MLflow some seconds to make."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def root(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an empty store, in which a sender may run in this very process."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    use_tracker(monkeypatch, f"sqlite:///{tmp_path}/mlflow.db")
    (tmp_path / ".trifold").mkdir()
    return tmp_path
