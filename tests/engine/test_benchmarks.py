"""`make bench` begins: every row's module can be imported, and a wrong row or missing data is told in one line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.project import REPOSITORY


@pytest.mark.parametrize(
    ("row", "code", "told"),
    [
        ("nothing", 1, "there is no row 'nothing'; the rows are orchestration, training"),
        ("esc10", 0, "esc10: ESC10="),
        ("text_training", 0, "text_training: "),
        ("text_accuracy", 0, "text_accuracy: SENTIMENT140="),
    ],
)
def test_a_row_that_cannot_run_says_why(row: str, code: int, told: str) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("ESC10", "SENTIMENT140")}
    command = [sys.executable, "-m", "benchmarks", row]
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
