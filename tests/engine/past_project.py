"""Helpers that read a project with old runs: MLflow's runs, the dvc.lock of each, and all files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from tests.engine.mlflow_store import open_client, send_rest
from tests.engine.tiny_project import TinyProject


def read_runs(project: TinyProject) -> dict[str, list[Any]]:
    """Return the runs of each value of the separator: the flow's and its stage's."""
    send_rest(project.root)
    client = open_client(project.root)
    experiments = [one.experiment_id for one in client.search_experiments()]
    found: dict[str, list[Any]] = {}
    for run in client.search_runs(experiments):
        found.setdefault(run.data.params["join.separator"], []).append(run)
    return found


def find_flow_run(project: TinyProject, separator: str) -> str:
    """Return the id of the flow's run with this separator."""
    (found,) = (run for run in read_runs(project)[separator] if "stage" not in run.data.tags)
    return str(found.info.run_id)


def find_lock(project: TinyProject, separator: str) -> Path:
    """Return the dvc.lock that the flow's run with this separator kept."""
    (found,) = project.root.glob(f"mlruns/*/{find_flow_run(project, separator)}/artifacts/pipeline/dvc.lock")
    return found


def snapshot(project: TinyProject) -> dict[str, bytes]:
    """Return every file but those that looking on changes: locks, logs, the files of open databases."""
    found = {}
    for folder, folders, names in os.walk(project.root):
        # These folders are not even entered: what lies there may go while it is looked at.
        folders[:] = sorted(set(folders) - {".trifold", "tmp", "__pycache__"})
        paths = [Path(folder, name) for name in names if not name.endswith("-journal")]
        found.update({str(path.relative_to(project.root)): path.read_bytes() for path in paths})
    assert {"dvc.lock", "mlflow.db"} <= set(found)
    return found


def check_out(project: TinyProject, lock: Path) -> int:
    """Check out a dvc.lock and its data; return the exit code."""
    shutil.copyfile(lock, project.root / "dvc.lock")
    shutil.rmtree(project.root / "data/tiny")
    return project.call("python", "-m", "dvc", "checkout").code
