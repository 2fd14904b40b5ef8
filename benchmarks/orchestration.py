"""The engine's overhead: a fresh stage, a fresh flow, and recording a stage."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.table import Figure
from flows.engine.project import ROOT

N_STAGES = 40
N_ROUNDS = 3
# Stages in dvc.lock: about as many as the sample's three flows have, and ten times that.
FEW, MANY = 66, 660
FLOW = """
from pathlib import Path

from flows.engine.graph.params import Params
from flows.engine.graph.pipeline import pipeline, stage
from flows.engine.graph.stage import Artifact
from tasks.write import write_number

write = stage(write_number, "write-{number}"LEARNS)


@pipeline("forty", Params)
def forty(p: Params) -> Artifact:
    \"\"\"Write numbers, each after the three before it.\"\"\"
    made = []
    for number in range(STAGES):
        made.append(write(*made[-3:], number=number))
    return made[-1]
"""
TASK = """
from pathlib import Path


def write_number(
    one: Path | None = None, two: Path | None = None, three: Path | None = None, *, number: int, out: Path
) -> None:
    \"\"\"Write a number.\"\"\"
    (out / "number.txt").write_text(str(number))
"""
# The same chain of task runs, each of which does nothing. It prints the seconds of each flow's body, as our script
# does; the other figure measures the overhead of a flow run.
EMPTY = """
import sys, time
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait

@task(cache_policy=NO_CACHE, persist_result=False)
def nothing(name): return None

@flow(persist_result=False)
def empty(n):
    started = time.perf_counter()
    futures = []
    for number in range(n):
        futures.append(nothing.submit(str(number), wait_for=futures[-1:]))
    wait(futures)
    print("seconds", time.perf_counter() - started)

for _ in range(int(sys.argv[2])):
    empty(int(sys.argv[1]))
"""
OURS = """
import sys, time
from flows.engine.drivers.prefect_driver import execute, prepare_run
from flows.engine.drivers.request import Request
from prefect import flow

@flow(persist_result=False, validate_parameters=False)
def forty(run):
    started = time.perf_counter(); execute(run); print("seconds", time.perf_counter() - started)

for _ in range(int(sys.argv[1])):
    forty(prepare_run("forty", Request(), force=False))
"""

# Records stages in a dvc.lock whose first entries were computed and whose other entries are copies of the last of them.
# It prints the seconds of each stage without its own work, and the seconds that DVC itself takes to write an entry.
RECORD = r"""
import shutil, statistics, time
from dvc.utils.serialize import modify_yaml
from flows.engine.cache.store import Work, bring_up_to_date
from flows.engine.compute.process import run_stage
from flows.engine.console import ConsoleReport
from flows.engine.graph.dvc_yaml import check_stage, read_fingerprints, trace_flow
from flows.engine.project import ROOT

def record(stage):
    worked = 0.0
    def work(wanted):
        nonlocal worked
        started = time.perf_counter(); run_stage(stage, ConsoleReport(stage.name))
        worked = time.perf_counter() - started
    started = time.perf_counter(); bring_up_to_date(stage, Work(work))
    return time.perf_counter() - started - worked

record(check_stage())
stages = read_fingerprints(trace_flow("forty"))
for stage in stages[:5]:
    record(stage)
lock = ROOT / "dvc.lock"
head, _, entry = lock.read_text().partition("  forty-write-4:\n")
names = [stage.name for stage in stages[4:]]
lock.write_text(head + "".join(f"  {name}:\n" + entry.replace("forty-write-4", name) for name in names))
print("seconds", statistics.median(record(stage) for stage in stages[5:12]))
copy = ROOT / "copy.lock"
shutil.copy(lock, copy)
for _ in range(2):
    started = time.perf_counter()
    with modify_yaml(str(copy)) as data:
        data["stages"].update({names[0]: dict(data["stages"][names[0]])})
    print("dvc", time.perf_counter() - started)
"""


def measure() -> list[Figure]:
    """Compare fresh stages with as many empty Prefect tasks, and recording a stage with DVC's own way."""
    return [*measure_fresh(), *measure_recording()]


def measure_recording() -> list[Figure]:
    """Record stages in a dvc.lock of `FEW` entries, and of `MANY`."""
    seconds = {}
    for entries in (FEW, MANY):
        with TemporaryDirectory() as place:
            project = make_project(Path(place), entries - 1)
            call(project, dict(os.environ), "-m", "flows", "graph", "--write")
            output = call(project, dict(os.environ), "-c", RECORD)
            seconds[entries] = (
                min(float(number) for number in re.findall(r"dvc ([\d.]+)", output)),
                read_seconds(output),
            )
    growth = seconds[MANY][1] / seconds[FEW][1]
    return [
        Figure(
            f"recording a stage, {entries} entries, s",
            f"DVC's own dump alone {dvc_s:.2f}",
            f"{ours_s:.3f}",
            f"{ours_s / dvc_s:.1%}" + (f", {growth:.1f} times that of {FEW}" if entries == MANY else ""),
            f"{target_s:.2f} s",
            ours_s <= target_s,
        )
        for (entries, (dvc_s, ours_s)), target_s in zip(seconds.items(), (0.15, 0.5), strict=True)
    ]


def measure_fresh() -> list[Figure]:
    """Compare forty fresh stages with as many empty Prefect tasks, on one server; both sides alternate."""
    with TemporaryDirectory() as place:
        project = make_project(Path(place), N_STAGES, learns=True)
        env = start_server(project)
        try:
            call(project, env, "-m", "flows", "run", "forty")
            inside = [
                (
                    read_seconds(call(project, env, "-c", EMPTY, str(N_STAGES), "3")),
                    read_seconds(call(project, env, "-c", OURS, "3")),
                )
                for _ in range(N_ROUNDS)
            ]
            whole = [
                (
                    time_call(project, env, "-c", EMPTY, "0", "1"),
                    time_call(project, env, "-m", "flows", "run", "forty"),
                )
                for _ in range(N_ROUNDS)
            ]
        finally:
            call(project, env, "-m", "flows", "down")
    empty_ms, ours_ms = (statistics.median(side) * 1e3 / N_STAGES for side in zip(*inside, strict=True))
    empty_s, ours_s = (statistics.median(side) for side in zip(*whole, strict=True))
    return [
        Figure(
            "a fresh stage, ms",
            f"Prefect's empty task {empty_ms:.1f}",
            f"{ours_ms:.1f}",
            f"{ours_ms - empty_ms:+.1f} ms",
            "+5 ms",
            ours_ms - empty_ms <= 5,
        ),
        Figure(
            f"{N_STAGES} fresh stages, recorded in MLflow, whole command, s",
            f"Prefect's empty flow {empty_s:.1f}",
            f"{ours_s:.1f}",
            f"{ours_s - empty_s:+.1f} s",
            "+2 s",
            ours_s - empty_s <= 2,
        ),
    ]


def make_project(root: Path, n_stages: int, *, learns: bool = False) -> Path:
    """Make a project with the engine and one flow; with `learns`, the flow is recorded in MLflow."""
    for folder in ("flows/engine", "flows/commands"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("flows/__init__.py", "flows/__main__.py"):
        shutil.copy(ROOT / name, root / name)
    flow = FLOW.replace("STAGES", str(n_stages)).replace("LEARNS", ", learns=True" if learns else "")
    for name, text in {"flows/forty.py": flow, "tasks/write.py": TASK}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / "params").mkdir()
    (root / "params/forty.yaml").write_text("{}\n")
    (root / ".dvcignore").write_text("__pycache__\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "config", "core.analytics", "false"], cwd=root, check=True)
    return root


def start_server(project: Path) -> dict[str, str]:
    """Start the project's Prefect server and return the environment of a client."""
    from flows.engine.servers.server import up

    quiet = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL", "PREFECT_HOME": str(project / ".trifold/prefect")}
    return {**os.environ, **quiet, "PREFECT_API_URL": up(project, ["prefect"])["prefect"].api_url}


def call(project: Path, env: dict[str, str], *arguments: str) -> str:
    """Run Python in the project and return what it printed."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=project, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def time_call(project: Path, env: dict[str, str], *arguments: str) -> float:
    """Return the seconds of a whole command."""
    started_s = time.perf_counter()
    call(project, env, *arguments)
    return time.perf_counter() - started_s


def read_seconds(output: str) -> float:
    """Return the median of the seconds that a script printed."""
    return statistics.median(float(number) for number in re.findall(r"seconds ([\d.]+)", output))
