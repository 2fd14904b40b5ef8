"""Random kills on Ray nodes, and any sequence of edits, runs, kills and losses: no wrong result, no work done twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys

from benchmarks.table import Figure
from flows.engine.project import ROOT

STEPS, KILLS = 300, 50


def measure() -> list[Figure]:
    """Draw many steps by a new seed; a sequence that fails is in the test's output, which is printed."""
    title = "random edits, runs, kills and losses"
    return [_run_test(title, "test_any_sequence.py", "steps", STEPS, counted="of them kills")]


def measure_kills() -> list[Figure]:
    """Kill drivers, stage processes and whole nodes of a pool of two at random moments."""
    test = "test_ray.py::test_kills_at_random_moments_lose_nothing"
    return [_run_test("random kills on Ray nodes", test, "kills", KILLS, counted="times a node")]


def _run_test(title: str, test: str, unit: str, number: int, *, counted: str) -> Figure:
    """Run a test with `number` of its unit and a new seed; the last line with the text `counted` says what it did."""
    seed = random.SystemRandom().randrange(1 << 30)
    env = {**os.environ, "TRIFOLD_SEED": str(seed), f"TRIFOLD_{unit.upper()}": str(number)}
    command = [sys.executable, "-m", "pytest", "-s", f"tests/engine/{test}"]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    is_right = done.returncode == 0
    if not is_right:
        sys.stderr.write(done.stdout)
    lines = [line.lstrip(".") for line in done.stdout.splitlines() if counted in line]
    verdict = "all right" if is_right else "a wrong result or work done twice"
    return Figure(
        f"{title}, seed {seed}",
        "",
        f"{lines[-1] if lines else 'nothing counted'}: {verdict}",
        "",
        f"{number} {unit}, all right",
        is_right,
    )
