"""Accuracy on the real ESC-10 by five-fold cross-validation, nothing pretrained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.table import Figure, MissingDataError
from flows.engine.project import ROOT

TARGET = 0.94
BUDGET_MIN = 40


def measure() -> list[Figure]:
    """Run the flow with its preset in a fresh clone; ESC10 is the archive's path."""
    archive = os.environ.get("ESC10", "")
    if not Path(archive).is_file():
        raise MissingDataError(f"ESC10={archive!r} is no file; give ESC-10's archive: make bench ROW=esc10 ESC10=PATH")
    with TemporaryDirectory() as place:
        clone = Path(place) / "trifold"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        command = [sys.executable, "-m", "flows"]
        override = f"source.archive={Path(archive).resolve()}"
        try:
            subprocess.run([*command, "run", "audio", "--preset", "esc10", "--set", override], cwd=clone, check=True)
        finally:
            subprocess.run([*command, "down"], cwd=clone, check=True)
        figures = json.loads((clone / "data/audio/evaluate/metrics.json").read_text())["ensemble"]
        minutes = sum(json.loads(p.read_text())["seconds"] for p in (clone / ".trifold/made").glob("audio-fit-*")) / 60
    return [
        Figure(
            "ESC-10, 5 folds, mean accuracy",
            "EnvNet-v2 91.4 %, people 95.7 %, ACDNet 96.65 %",
            f"{figures['accuracy_mean']:.1%} ± {figures['accuracy_spread']:.1%} over folds",
            "",
            f"{TARGET:.0%}",
            figures["accuracy_mean"] >= TARGET,
        ),
        Figure("training, minutes for all folds", "", f"{minutes:.0f}", "", f"{BUDGET_MIN}", minutes <= BUDGET_MIN),
    ]
