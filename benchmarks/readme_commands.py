"""The commands of README.md, run in a fresh clone one after the other; they take minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.table import Figure
from flows.engine.project import ROOT

# They run in this order, each to its end. After a command that starts a deployed run, the benchmark waits for that run.
COMMANDS = [
    "make demo",
    "dvc repro",
    "python -m flows run audio --set spectrogram.n_mels=40",
    "make up",
    "prefect deployment run audio/nightly",
    "prefect deployment run audio/nightly -p 'overrides=[\"members.melnet.epochs=2\"]'",
    "make down",
]
ACTIVATE = ". .venv/bin/activate"
RUN_S = 1800.0


def measure() -> list[Figure]:
    """Return the seconds of each command; raises RuntimeError with the output of a command that fails."""
    with TemporaryDirectory() as place:
        root = Path(place) / "trifold"
        subprocess.run(["git", "clone", "-q", ROOT, root], check=True)
        try:
            took_s = {command: run(root, command) for command in COMMANDS}
        finally:
            run(root, "make down")
        left = count_processes(root)
    figures = [Figure(name, "", f"{seconds:.0f} s", "", "ends well", True) for name, seconds in took_s.items()]
    return [*figures, Figure("processes left", "", f"{left}", "", "none", left == 0)]


def run(root: Path, command: str) -> float:
    """Run a line in a shell, in the project's virtual environment if it exists; return its seconds."""
    started_s = time.monotonic()
    known = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    line = f"{ACTIVATE}; {command}" if (root / ".venv/installed").exists() else command
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=root,
        env={**known, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"`{command}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    if command.startswith("prefect deployment run"):
        wait_completed(root)
    return time.monotonic() - started_s


def wait_completed(root: Path) -> None:
    """Wait until the deployed run that was started last is completed."""
    deadline_s = time.monotonic() + RUN_S
    while (state := read_state(root)) != "COMPLETED":
        if state in ("FAILED", "CRASHED", "CANCELLED") or time.monotonic() > deadline_s:
            raise RuntimeError(f"the deployed run is {state}; see {root}/.trifold/logs/worker.log")
        time.sleep(1)


def read_state(root: Path) -> str:
    """Return the state of the newest run of a deployment that was not scheduled."""
    servers = json.loads((root / ".trifold/servers.json").read_text())["servers"]
    (port,) = (server["port"] for server in servers if server["name"] == "prefect")
    wanted = {"sort": "EXPECTED_START_TIME_DESC", "flows": {"name": {"any_": ["audio"]}}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/flow_runs/filter",
        json.dumps(wanted).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        runs = [run for run in json.load(answer) if run["deployment_id"] and not run["auto_scheduled"]]
    return str(runs[0]["state_type"])


def count_processes(root: Path) -> int:
    """Return the number of processes whose working directory is below a folder."""
    import psutil

    return sum(_works_in(process, root) for process in psutil.process_iter())


def _works_in(process: object, root: Path) -> bool:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return Path(process.cwd()).is_relative_to(root)
    except (psutil.Error, OSError):
        return False
