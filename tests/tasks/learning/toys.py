"""A small problem that a small network learns in seconds, in the folders that the stages hand on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks.audio.bands import measure_bands
from tasks.audio.member import Member
from tasks.learning.compute import Compute
from tasks.tables import write_rows

N_CLASSES, N_BANDS, N_FRAMES = 3, 16, 24
COMPUTE = Compute(device="cpu", precision="fp32", threads=1, replicas=1)
RECIPE = {
    "network": "melnet",
    "model": "",
    "width": 4,
    "weights": "none",
    "epochs": 4,
    "head_epochs": 0,
    "batch_size": 16,
    "lr": "auto",
    "optimiser": "adamw",
    "weight_decay": 0.01,
    "dropout": 0.1,
    "label_smoothing": 0.05,
    "mixup_alpha": 0.2,
    "ema_decay": 0.9,
    "clip_norm": 5.0,
    "train_layers": "all",
    "rate_divisor": 3.0,
    "train_batch_norm": "with_layers",
    "patience": 0,
    "balance": "none",
    "seed": 7,
    "features": "spectrogram",
    "time_shift": 0.2,
    "gain_db": 3.0,
    "tone_db": 3.0,
    "pitch_shift_bands": 1,
    "freq_mask_bands": 2,
    "time_mask_frames": 3,
    "time_stretch": 0.0,
    "pitch_shift": 0.0,
}
PLAIN = {
    "time_shift": 0.0,
    "gain_db": 0.0,
    "tone_db": 0.0,
    "pitch_shift_bands": 0,
    "freq_mask_bands": 0,
    "time_mask_frames": 0,
    "time_stretch": 0.0,
    "pitch_shift": 0.0,
}
FRONT_END = {
    "sample_rate_hz": 8000,
    "clip_s": 0.368,
    "n_fft": 512,
    "hop_samples": 128,
    "n_mels": N_BANDS,
    "f_min_hz": 0.0,
    "f_max_hz": 4000.0,
}


def make_member(**values: object) -> Member:
    """Return the toy recipe with some values changed."""
    return Member.model_validate(RECIPE | values)


@dataclass
class RecordingReport:
    """A report that remembers."""

    messages: list[str] = field(default_factory=list)
    figures: list[Mapping[str, float]] = field(default_factory=list)

    def check(self) -> None:
        pass

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        pass

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        self.figures.append(figures)

    def say(self, text: str) -> None:
        self.messages.append(text)


@dataclass(frozen=True)
class Toy:
    """The folders of a toy data set."""

    root: Path

    def folder(self, name: str) -> Path:
        """Return a folder, made on first use."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path


def make_toy(root: Path, *, mode: str = "holdout", noise: float = 3.0, seed: int = 0) -> Toy:
    """Write sixty spectrograms of three classes (each louder in its own bands) in five folds, with their bands."""
    toy, rng = Toy(root), np.random.default_rng(seed)
    labels = np.arange(60) % N_CLASSES
    features = rng.normal(-40, noise, (60, N_BANDS, N_FRAMES))
    for example, label in enumerate(labels):
        features[example, 5 * label : 5 * label + 4, 4:20] += 12
    np.save(toy.folder("features") / "features.npy", features.astype(np.float16))
    (toy.folder("features") / "front_end.json").write_text(json.dumps(FRONT_END))
    write_toy_folds(toy, labels, mode)
    write_toy_classes(toy)
    for held_out in [5] if mode == "holdout" else range(1, 6):
        measure_bands([toy.folder("features")], toy.folder("folds"), fold=held_out, out=toy.folder(f"bands{held_out}"))
    return toy


def list_inputs(toy: Toy, fold: int = 5) -> dict[str, Path]:
    """Return what the lesson of a round reads."""
    return {"features": [toy.folder("features")], "folds": toy.folder("folds"), "bands": toy.folder(f"bands{fold}")}


def write_toy_classes(toy: Toy) -> None:
    """Name the three classes, as a clean stage does."""
    classes = [{"label": k, "category": f"kind{k}", "target": k, "examples": 20} for k in range(N_CLASSES)]
    write_rows(toy.folder("examples") / "classes.csv", ["label", "category", "target", "examples"], classes)


def write_toy_folds(toy: Toy, labels: np.ndarray, mode: str) -> None:
    """Put three examples in each fold in turn, five folds, and write the rounds."""
    folds = np.arange(60) // N_CLASSES % 5 + 1
    rows = [{"example": n, "label": labels[n], "group": n, "fold": folds[n]} for n in range(60)]
    write_rows(toy.folder("folds") / "folds.csv", ["example", "label", "group", "fold"], rows)
    rounds = [{"train": [1, 2, 3], "valid": [4], "test": [5]}]
    if mode == "cross_validation":
        rounds = [{"train": [f for f in range(1, 6) if f != k], "valid": [], "test": [k]} for k in range(1, 6)]
    (toy.folder("folds") / "folds.json").write_text(json.dumps({"mode": mode, "rounds": rounds}))
