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
    return [_run_test("test_any_sequence.py", "of them kills", TRIFOLD_STEPS=STEPS)]


def measure_kills() -> list[Figure]:
    """Kill drivers, stage processes and whole nodes of a pool of two at random moments."""
    return [_run_test("test_ray.py::test_kills_at_random_moments_lose_nothing", "times a node", TRIFOLD_KILLS=KILLS)]


def _run_test(test: str, counted: str, **many: int) -> Figure:
    seed = random.SystemRandom().randrange(1 << 30)
    env = {**os.environ, "TRIFOLD_SEED": str(seed), **{name: str(value) for name, value in many.items()}}
    command = [sys.executable, "-m", "pytest", "-s", f"tests/engine/{test}"]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    is_right = done.returncode == 0
    if not is_right:
        sys.stderr.write(done.stdout)
    (name, number), *_ = many.items()
    what = name.removeprefix("TRIFOLD_").lower()
    lines = [line.lstrip(".") for line in done.stdout.splitlines() if line.endswith(counted) or counted in line]
    verdict = "all right" if is_right else "a wrong result or work done twice"
    title = "random edits, runs, kills and losses" if what == "steps" else "random kills on Ray nodes"
    return Figure(
        f"{title}, seed {seed}",
        "",
        f"{lines[-1] if lines else 'nothing counted'}: {verdict}",
        "",
        f"{number} {what}, all right",
        is_right,
    )
