"""A training inside the flow against the same function called directly, and the start of its process."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.orchestration import N_ROUNDS, call, read_seconds, start_server, time_call
from benchmarks.table import Figure
from flows.engine.project import ROOT
from flows.engine.tracking.ledger import read_made

DIRECT = """
import sys, time
from pathlib import Path
from tempfile import TemporaryDirectory
from flows.engine.graph.dvc_yaml import find_stage
from flows.engine.project import ROOT
from flows.engine.graph.stage import Artifact
from tasks.report import Silent
stage = find_stage("audio-fit-melnet-fold1")
arguments = {k: ROOT / v.path if isinstance(v, Artifact) else v for k, v in stage.arguments.items()}
# The first call only imports what it needs, as the search for the learning rate does in the flow.
for _ in range(2):
    with TemporaryDirectory() as out, TemporaryDirectory() as checkpoints:
        started = time.perf_counter()
        stage.function(**arguments, out=Path(out), report=Silent(), checkpoints=Path(checkpoints))
        seconds = time.perf_counter() - started
print("seconds", seconds)
"""

# Prints the seconds that a stage's process takes besides its task function: start, imports, guard and end. The first
# time, the server that forks these processes starts too and imports torch; a run pays for that once.
START = """
import time
from flows.engine.compute.process import run_stage
from flows.engine.console import ConsoleReport
from flows.engine.graph.dvc_yaml import find_stage, read_fingerprints

[stage] = read_fingerprints([find_stage("audio-lr-melnet-fold1")])
for number in range(6):
    started = time.perf_counter()
    usage = run_stage(stage, ConsoleReport(stage.name))
    print("first" if number == 0 else "seconds", time.perf_counter() - started - usage.seconds)
"""


def measure_start(clone: Path, env: dict[str, str]) -> Figure:
    """Compare the start of a training's process with that of an interpreter that imports torch."""
    torch_s = statistics.median(time_call(clone, env, "-c", "import torch") for _ in range(N_ROUNDS))
    ours_s = read_seconds(call(clone, env, "-c", START))
    return Figure(
        "starting a training's process, s",
        f"an interpreter that imports torch {torch_s:.2f}",
        f"{ours_s:.2f}",
        f"{ours_s / torch_s:.0%}",
        "0.3 s",
        ours_s <= 0.3,
    )


def measure() -> list[Figure]:
    """Compare a training in the flow with the same function called directly, both sides alternating, and its start."""
    stage = "audio-fit-melnet-fold1"
    with TemporaryDirectory() as place:
        clone = Path(place) / "trifold"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        env = start_server(clone)
        try:
            call(clone, env, "-m", "flows", "run", "audio", "--stage", stage)
            pairs = [
                (read_seconds(call(clone, env, "-c", DIRECT)), time_in_flow(clone, env, stage)) for _ in range(N_ROUNDS)
            ]
            start = measure_start(clone, env)
        finally:
            call(clone, env, "-m", "flows", "down")
    # The minimum of each side, because other load on the machine can only add time.
    direct_s, flow_s = (min(side) for side in zip(*pairs, strict=True))
    return [
        start,
        Figure(
            "one training, s",
            f"called directly {direct_s:.2f}",
            f"in the flow {flow_s:.2f}",
            f"{flow_s / direct_s - 1:+.1%}",
            "+2 %",
            flow_s / direct_s <= 1.02,
        ),
    ]


def time_in_flow(clone: Path, env: dict[str, str], stage: str) -> float:
    """Train once more in the flow and return the seconds that its task function took."""
    call(clone, env, "-m", "flows", "run", "audio", "--stage", stage, "--force")
    made = read_made(clone, stage)
    assert made is not None, f"{stage} was not computed"
    return made.seconds
