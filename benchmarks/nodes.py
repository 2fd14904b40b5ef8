"""What nodes cost for a small stage, and what they gain for long ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.orchestration import make_project, start_server, time_call
from benchmarks.table import Figure

N_SMALL, N_LONG = 20, 100
WORK_S = 3.0
RUN = ("-m", "flows", "run", "forty")
WIDE_FLOW = """
from flows.engine.graph.params import Params
from flows.engine.graph.pipeline import pipeline, stage
from flows.engine.graph.stage import Artifact
from tasks.write import join_numbers, write_number

write = stage(write_number, "write-{number}", learns=True)
join = stage(join_numbers, "join")


@pipeline("forty", Params)
def forty(p: Params) -> Artifact:
    \"\"\"Write numbers, none of which needs another.\"\"\"
    return join([write(number=number) for number in range(STAGES)])
"""
WIDE_TASK = """
import time
from pathlib import Path


def write_number(*, number: int, out: Path) -> None:
    \"\"\"Compute for some seconds on one core; write a megabyte.\"\"\"
    while time.process_time() < WORK_S:
        number += 1
    (out / "number.bin").write_bytes(bytes(1 << 20))


def join_numbers(numbers: list[Path], *, out: Path) -> None:
    \"\"\"Count the numbers.\"\"\"
    (out / "number.txt").write_text(str(len(numbers)))
"""
TARGET_S, TARGET_GAIN = 0.5, 1.7


def measure() -> list[Figure]:
    """Run a chain of small stages, and long ones that need nothing of each other, here and on nodes of one core."""
    with TemporaryDirectory() as place:
        here_s, nodes_s = (measure_small(Path(place) / name, on) for name, on in (("here", 0), ("nodes", 1)))
        long_here_s, long_nodes_s = (measure_long(Path(place) / f"long-{on}", on) for on in (1, 2))
    cost_s = (nodes_s - here_s) / N_SMALL
    gain = long_here_s / long_nodes_s
    return [
        Figure(
            f"a small stage, s, mean of {N_SMALL}, start included",
            f"on this machine {here_s / N_SMALL:.2f}",
            f"on a node {nodes_s / N_SMALL:.2f}",
            f"{cost_s:+.2f} s",
            f"+{TARGET_S} s",
            cost_s <= TARGET_S,
        ),
        Figure(
            f"{N_LONG} stages of {WORK_S:.0f} s on one core, s",
            f"one node of one core {long_here_s:.0f}",
            f"two {long_nodes_s:.0f}",
            f"{gain:.2f}",
            f"{TARGET_GAIN} times",
            gain >= TARGET_GAIN,
        ),
    ]


def measure_small(root: Path, n_nodes: int) -> float:
    """Return the seconds of a command that computes a chain of small stages."""
    return _time_run(make_project(root, N_SMALL), n_nodes)


def measure_long(root: Path, n_nodes: int) -> float:
    """Return the seconds of a command that computes long stages on nodes of one core."""
    project = make_project(root, N_LONG)
    (project / "flows/forty.py").write_text(WIDE_FLOW.replace("STAGES", str(N_LONG)))
    (project / "tasks/write.py").write_text(WIDE_TASK.replace("WORK_S", str(WORK_S)))
    return _time_run(project, n_nodes)


def _time_run(project: Path, n_nodes: int) -> float:
    words = [sys.executable, "-m", "dvc", "remote", "add", "-q", "-d", "store", str(project / "store")]
    subprocess.run(words, cwd=project, check=True)
    env = start_server(project)
    try:
        return time_call(project, env, *RUN, *(["--on", f"processes:{n_nodes}"] if n_nodes else []))
    finally:
        subprocess.run([sys.executable, "-m", "flows", "down"], cwd=project, check=True, stdout=subprocess.DEVNULL)
