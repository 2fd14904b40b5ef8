"""Figures are right, and only of examples that were held out once."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.learning.evaluate import evaluate_predictions
from tasks.learning.metrics import count_confusions, measure_reliability, score
from tasks.learning.predictions import Predictions, write_rounds
from tasks.tables import write_rows
from tests.tasks.learning.toys import RecordingReport


def make_predictions(labels: list[int], chosen: list[int], confidence: float = 0.8, first: int = 0) -> Predictions:
    rest = (1 - confidence) / 2
    probabilities = np.full((len(labels), 3), rest, np.float32)
    probabilities[np.arange(len(labels)), chosen] = confidence
    return Predictions(np.arange(len(labels)) + first, np.array(labels), probabilities)


def evaluate(root: Path, rounds: dict[int, Predictions]) -> tuple[dict, RecordingReport]:
    report = RecordingReport()
    for name in ("ensemble", "examples", "out"):
        (root / name).mkdir()
    write_rounds(root / "ensemble" / "test.csv", {(str(f),): p for f, p in rounds.items()}, ["fold"])
    write_rounds(root / "ensemble" / "members.csv", {("net", str(f)): p for f, p in rounds.items()}, ["member", "fold"])
    classes = [{"label": n, "category": name} for n, name in enumerate(("dog", "rain", "sea, waves"))]
    write_rows(root / "examples" / "classes.csv", ["label", "category"], classes)
    evaluate_predictions(root / "ensemble", root / "examples", out=root / "out", report=report)
    return json.loads((root / "out" / "metrics.json").read_text()), report


def test_accuracy_is_given_with_its_mean_and_spread_over_folds(tmp_path: Path) -> None:
    rounds = {1: make_predictions([0, 1, 2, 0], [0, 1, 2, 0]), 2: make_predictions([0, 1], [0, 2], first=4)}
    metrics, report = evaluate(tmp_path, rounds)
    figures = metrics["ensemble"]
    assert figures["accuracy"] == pytest.approx(5 / 6, abs=1e-6)
    assert figures["accuracy_mean"] == pytest.approx(0.75)
    assert figures["accuracy_spread"] == pytest.approx(np.std([1, 0.5], ddof=1), abs=1e-6)
    assert (figures["examples"], figures["folds"]) == (6, 2)
    assert metrics["members"]["net"] == figures
    assert "accuracy 75.0% ± 35.4% over 2 folds" in report.messages[0]
    assert report.figures[0]["accuracy_mean"] == 0.75


def test_an_ensemble_with_members_that_cannot_be_exported_stands_beside(tmp_path: Path) -> None:
    evaluate(tmp_path, {5: make_predictions([0, 1, 2, 0], [0, 1, 1, 1])})
    all_members, better = tmp_path / "all_members", make_predictions([0, 1, 2, 0], [0, 1, 2, 1])
    all_members.mkdir()
    write_rounds(all_members / "test.csv", {("5",): better}, ["fold"])
    write_rounds(all_members / "members.csv", {("net", "5"): better, ("svm", "5"): better}, ["member", "fold"])
    places = tmp_path / "ensemble", tmp_path / "examples", all_members
    evaluate_predictions(*places, out=tmp_path / "out", report=RecordingReport())
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["ensemble"]["accuracy"], metrics["all_members"]["accuracy"]) == (0.5, 0.75)
    assert set(metrics["members"]) == {"net", "svm"}


def test_a_clip_predicted_in_two_rounds_is_refused(tmp_path: Path) -> None:
    rounds = {1: make_predictions([0, 1], [0, 1]), 2: make_predictions([0, 1], [0, 1], first=1)}
    with pytest.raises(UserError, match="examples 1 were predicted in more than one round"):
        evaluate(tmp_path, rounds)
    assert not any((tmp_path / "out").iterdir())


def test_tables_and_plots_are_written(tmp_path: Path) -> None:
    evaluate(tmp_path, {5: make_predictions([0, 1, 2, 2], [0, 1, 2, 1])})
    with (tmp_path / "out" / "per_class.csv").open() as file:
        rows = {row["category"]: row for row in csv.DictReader(file)}
    assert float(rows["sea, waves"]["recall"]) == 0.5 and float(rows["rain"]["precision"]) == 0.5
    with (tmp_path / "out" / "confusion.csv").open() as file:
        assert [(row["actual"], row["predicted"]) for row in csv.DictReader(file)][-1] == ("sea, waves", "rain")
    for name in ("confusion.png", "calibration.png", "calibration.csv", "folds.csv"):
        assert (tmp_path / "out" / name).stat().st_size > 30


def test_the_figures_of_a_case_worked_out_by_hand() -> None:
    figures = score(make_predictions([0, 0, 1, 2], [0, 0, 1, 1], confidence=0.8))
    assert figures.accuracy == 0.75
    assert figures.macro_f1 == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert figures.log_loss == pytest.approx(-(3 * np.log(0.8) + np.log(0.1)) / 4, rel=1e-5)
    assert figures.calibration_error == pytest.approx(0.05, abs=1e-6)


def test_a_class_that_nobody_predicts_or_holds_counts_as_zero_without_a_warning() -> None:
    assert score(make_predictions([0, 1], [0, 1])).macro_f1 == pytest.approx(2 / 3)


def test_confusions_stand_with_the_actual_class_down() -> None:
    assert count_confusions(make_predictions([0, 0, 2], [0, 1, 2])).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_reliability_weighs_back_to_the_accuracy() -> None:
    rng = np.random.default_rng(0)
    predictions = Predictions(
        np.arange(200), rng.integers(0, 3, 200), rng.dirichlet(np.ones(3), 200).astype(np.float32)
    )
    seen = measure_reliability(predictions)
    assert (seen.accuracy * seen.examples).sum() / 200 == pytest.approx(score(predictions).accuracy)
    assert seen.examples.sum() == 200
