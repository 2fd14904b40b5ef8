"""Each stage of learning writes what the next stage reads, from folds to scores."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.learning.ensemble import Ensemble, build_ensemble
from tasks.learning.evaluate import evaluate_predictions
from tasks.learning.predictions import read_predictions
from tasks.learning.train import find_lr
from tasks.learning.train import fit as fit_member
from tests.tasks.learning.toys import COMPUTE, RecordingReport, Toy, list_inputs, make_member, make_toy


def fit(toy: Toy, fold: int, name: str = "mel", **values: object) -> Path:
    out, member = toy.folder(f"{name}{fold}"), make_member(**values)
    kept = toy.folder(f"kept-{name}{fold}")
    (toy.folder("lr") / "lr.json").write_text('{"lr": 0.02}')
    names = {"name": name, "fold": fold}
    inputs = list_inputs(toy, fold)
    fit_member(
        member, COMPUTE, toy.folder("lr"), **names, out=out, report=RecordingReport(), checkpoints=kept, **inputs
    )
    return out


def test_the_learning_rate_is_found_and_drawn(tmp_path: Path) -> None:
    toy, report = make_toy(tmp_path), RecordingReport()
    find_lr(make_member(), COMPUTE, fold=5, out=toy.folder("lr"), report=report, **list_inputs(toy))
    lr = json.loads((toy.folder("lr") / "lr.json").read_text())["lr"]
    with (toy.folder("lr") / "curve.csv").open() as file:
        rates = [float(row["lr"]) for row in csv.DictReader(file)]
    assert min(rates) < lr < max(rates)
    assert (toy.folder("lr") / "curve.png").stat().st_size > 1000
    assert report.messages[0].startswith("learning rate ")


@pytest.mark.parametrize(
    ("mode", "fold", "parts"), [("holdout", 5, {"valid": {4}, "test": {5}}), ("cross_validation", 2, {"test": {2}})]
)
def test_a_fit_predicts_each_held_out_clip_once(
    tmp_path: Path, mode: str, fold: int, parts: dict[str, set[int]]
) -> None:
    out = fit(make_toy(tmp_path, mode=mode), fold)
    assert {path.stem for path in out.glob("[tv]*.csv")} == set(parts)
    for part, folds in parts.items():
        predictions = read_predictions(out / f"{part}.csv")
        assert set(predictions.examples.tolist()) == {clip for clip in range(60) if clip // 3 % 5 + 1 in folds}
        assert (predictions.labels == predictions.examples % 3).all()
        np.testing.assert_allclose(predictions.probabilities.sum(1), 1, atol=1e-5)


def test_the_weights_carry_the_rounds_bands_and_load_safely(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    weights = torch.load(fit(toy, 5) / "state_dict.pt", weights_only=True)
    bands = np.load(toy.folder("bands5") / "bands.npy")
    np.testing.assert_array_equal(weights["normalise.mean"].numpy()[:, 0], bands[0])
    np.testing.assert_array_equal(weights["normalise.std"].numpy()[:, 0], bands[1])


def test_two_fits_in_two_folders_are_the_same_bytes(tmp_path: Path) -> None:
    first, again = (fit(make_toy(tmp_path / name), 5) for name in "ab")
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_from_folds_to_scores(tmp_path: Path) -> None:
    toy, report = make_toy(tmp_path, mode="cross_validation"), RecordingReport()
    fitted = [
        fit(toy, fold, name, seed=seed, epochs=5) for fold in range(1, 6) for name, seed in (("one", 1), ("two", 2))
    ]
    build_ensemble(fitted, Ensemble(method="fitted", metric="accuracy"), out=toy.folder("ensemble"), report=report)
    evaluate_predictions(toy.folder("ensemble"), toy.folder("examples"), out=toy.folder("scores"), report=report)
    metrics = json.loads((toy.folder("scores") / "metrics.json").read_text())
    assert metrics["ensemble"]["examples"] == 60 and metrics["ensemble"]["folds"] == 5
    assert set(metrics["members"]) == {"one", "two"}
    assert metrics["ensemble"]["accuracy_mean"] > 0.7
