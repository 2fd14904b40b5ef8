"""Small models for tests of the gate."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from flows.engine.tags import DATA_MD5
from flows.engine.tracking.journal import NewVersion
from tasks.learning.predictions import Predictions, write_rounds
from tests.engine.mlflow_store import begin

JUDGE = "tasks.learning.comparison"
EXAMPLES = 200
N_SAMPLES = 400
TEST_DATA = {f"{DATA_MD5}audio-clean": "abc.dir", f"{DATA_MD5}audio-folds": "def.dir"}


class TinySounds(torch.nn.Module):
    """Waveforms (batch, samples) to probabilities of three classes, as an exported ensemble answers."""

    def __init__(self) -> None:
        super().__init__()
        self.network = torch.nn.Linear(N_SAMPLES, 3)
        self.labels = ["dog", "rain", "sea, waves"]
        self.sample_rate_hz = 8000
        self.n_samples = N_SAMPLES

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        return self.network(waveforms).softmax(1)


@cache
def _script() -> torch.jit.ScriptModule:
    torch.manual_seed(0)
    return torch.jit.script(TinySounds().eval())


def make_version(folder: Path, right: int = EXAMPLES, **other: str) -> NewVersion:
    """Write a model of which the first `right` test predictions are right; `other` fields replace its own."""
    exported = folder / "export"
    exported.mkdir(parents=True)
    _script().save(exported / "model.pt")
    np.save(exported / "example.npy", np.random.default_rng(0).uniform(-1, 1, (2, N_SAMPLES)).astype(np.float32))
    labels = np.arange(EXAMPLES) % 3
    chosen = np.where(np.arange(EXAMPLES) < right, labels, (labels + 1) % 3)
    told = Predictions(np.arange(EXAMPLES), labels, np.eye(3, dtype=np.float32)[chosen] * 0.7 + 0.1)
    write_rounds(folder / "test.csv", {("5",): told}, ["fold"])
    named = {"name": "audio", "loader": "tasks.audio.predict", "judge": JUDGE, **other}
    return NewVersion(exported=exported, predictions=folder / "test.csv", **named)


def export(root: Path, name: str, right: int, tags: dict[str, str] = TEST_DATA) -> None:
    """Tell a flow's run whose export made a model, of which `right` test predictions are right."""
    parent = begin(root, name)
    journal = begin(root, f"{name}-export", parent=parent)
    journal.model(make_version(root / name, right), tags)
    journal.end("FINISHED")
    parent.end("FINISHED")
