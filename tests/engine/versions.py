"""Small models that want to be champion."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from flows.engine.tracking import DATA, NewVersion
from tasks.learning.predictions import Predictions, write_rounds
from tests.engine.mlflow_store import begin

JUDGE = "tasks.learning.comparison"
EXAMPLES = 200
TEST_DATA = {f"{DATA}audio-clean": "abc.dir", f"{DATA}audio-folds": "def.dir"}


@cache
def _script() -> torch.jit.ScriptModule:
    return torch.jit.trace(torch.nn.Sequential(torch.nn.Linear(8, 3), torch.nn.Softmax(-1)), torch.zeros(2, 8))


def make_version(folder: Path, right: int = EXAMPLES, **other: str) -> NewVersion:
    """Write a model of which the first `right` test predictions are right; `other` fields replace its own."""
    folder.mkdir()
    _script().save(folder / "model.pt")
    np.save(folder / "example.npy", np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32))
    labels = np.arange(EXAMPLES) % 3
    chosen = np.where(np.arange(EXAMPLES) < right, labels, (labels + 1) % 3)
    told = Predictions(np.arange(EXAMPLES), labels, np.eye(3, dtype=np.float32)[chosen] * 0.7 + 0.1)
    write_rounds(folder / "test.csv", {("5",): told}, ["fold"])
    files = {name: folder / file for name, file in FILES.items()}
    return NewVersion(**{"name": "audio", "judge": JUDGE, **files, **other})  # type: ignore[arg-type]


FILES = {"torchscript": "model.pt", "example": "example.npy", "predictions": "test.csv"}


def export(root: Path, name: str, right: int, tags: dict[str, str] = TEST_DATA) -> None:
    """Tell a flow's run whose export made a model, of which `right` test predictions are right."""
    parent = begin(root, name)
    journal = begin(root, f"{name}-export", parent=parent)
    journal.model(make_version(root / name, right), tags)
    journal.end("FINISHED")
    parent.end("FINISHED")
