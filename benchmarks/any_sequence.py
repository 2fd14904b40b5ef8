"""Any sequence of edits, runs, kills and losses: no wrong result, and no finished work done again."""

from __future__ import annotations

import os
import random
import subprocess
import sys

from benchmarks.table import Figure
from flows.engine.project import ROOT

TEST = "tests/engine/test_any_sequence.py"
STEPS = 300


def measure() -> list[Figure]:
    """Run the test with many steps and a new seed; a sequence that fails is in the test's output, which is printed."""
    seed = random.SystemRandom().randrange(1 << 30)
    env = {**os.environ, "TRIFOLD_STEPS": str(STEPS), "TRIFOLD_SEED": str(seed)}
    command = [sys.executable, "-m", "pytest", "-s", TEST]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    is_right = done.returncode == 0
    if not is_right:
        sys.stderr.write(done.stdout)
    counted = [line for line in done.stdout.splitlines() if line.endswith("of them kills")] or ["no steps"]
    verdict = "all right" if is_right else "a wrong result or work done twice"
    return [
        Figure(
            f"random edits, runs, kills and losses, seed {seed}",
            "",
            f"{counted[-1]}: {verdict}",
            "",
            f"{STEPS} steps, all right",
            is_right,
        )
    ]
