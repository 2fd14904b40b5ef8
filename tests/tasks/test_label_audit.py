"""The label audit finds flipped labels of every domain, by models that never saw an example's group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.folds import Folds, split_folds
from tasks.learning.label_audit import audit_predictions, doubt_labels, list_audited, predict_out_of_fold
from tasks.learning.predictions import Predictions, write_rounds
from tasks.tables import read_rows, write_rows
from tasks.text.label_audit import mark_negations
from tests.tasks.label_samples import SAMPLES, Sample
from tests.tasks.learning.toys import RecordingReport, Toy


@pytest.fixture(scope="module", params=SAMPLES)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return SAMPLES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("way", ["spread", "one pair"])
def test_four_of_five_flipped_labels_are_in_the_first_six_percent(sample: Sample, way: str, tmp_path: Path) -> None:
    assert sample.recall(tmp_path, way=way, seed=0) >= 0.8


CASES = {
    "agreement": ([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]], [0, 0, 1], [False, False, False]),
    "a confident contradiction": ([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.05, 0.95]], [0, 0, 1, 0], [0, 0, 0, 1]),
    "nothing confident": ([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.5, 0.5]], [0, 0, 1, 0], [0, 0, 0, 0]),
    "a class that is always underrated": ([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], [0, 0, 1, 1], [0, 0, 0, 0]),
    "a class without examples": ([[0.9, 0.0, 0.1], [0.1, 0.0, 0.9]], [0, 2], [False, False]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_label_is_suspect_when_another_class_reaches_its_threshold(case: str) -> None:
    probabilities, labels, suspects = CASES[case]
    doubts = doubt_labels(predict_all(labels, probabilities))
    assert doubts.is_suspect.tolist() == list(map(bool, suspects))
    assert (doubts.margins[doubts.is_suspect] < 0).all()
    assert doubts.list_positions()[: sum(suspects)].tolist() == np.flatnonzero(suspects).tolist()


def predict_all(labels: Sequence[int], probabilities: Sequence[Sequence[float]]) -> Predictions:
    return Predictions(np.arange(len(labels)), np.array(labels), np.array(probabilities, np.float32))


def make_folds(toy: Toy, labels: Sequence[int], groups: Sequence[int]) -> Path:
    """Write a clean table whose every fourth group is the test part; there is no validation part."""
    rows = [
        {"example": n, "label": label, "category": f"kind{label}", "group": group, "fold": 1 + (group % 4 == 3)}
        for n, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]
    write_rows(toy.folder("examples") / "examples.csv", list(rows[0]), rows)
    split_folds(
        toy.folder("examples"), Folds(mode="holdout", n_folds=2, valid=0, test=2, seed=1), out=toy.folder("folds")
    )
    return toy.folder("folds")


def test_no_model_sees_a_group_that_it_predicts_and_none_the_test_part(tmp_path: Path) -> None:
    groups = np.arange(160) // 4
    folds = make_folds(Toy(tmp_path), np.arange(160) // 2 % 2, groups)
    rows = list_audited(folds, 2)
    seen: list[int] = []

    def predict(train: np.ndarray, labels: np.ndarray, others: np.ndarray) -> np.ndarray:
        assert not set(groups[rows[train]]) & set(groups[rows[others]])
        assert (labels == rows[train] // 2 % 2).all()
        seen.extend(rows[others])
        return np.full((len(others), 2), 0.5)

    predictions = predict_out_of_fold(folds, rows, predict)
    assert sorted(seen) == predictions.examples.tolist() == np.flatnonzero(groups % 4 != 3).tolist()


def predict_equally(train: np.ndarray, labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.full((len(others), labels.max() + 1), 1 / (labels.max() + 1))


def test_a_class_in_a_single_group_is_left_out(tmp_path: Path) -> None:
    groups = [n // 4 for n in range(16)] + [4] * 4 + [7] * 4
    folds = make_folds(Toy(tmp_path), [n % 3 for n in range(16)] + [3] * 8, groups)
    predictions = predict_out_of_fold(folds, list_audited(folds, 2), predict_equally)
    assert predictions.examples.tolist() == list(range(12))


def test_two_single_groups_are_refused(tmp_path: Path) -> None:
    folds = make_folds(Toy(tmp_path), [0, 1] * 2, [0, 1, 3, 7])
    with pytest.raises(UserError, match="The 2 groups of the training and validation part are too few"):
        predict_out_of_fold(folds, list_audited(folds, 2), predict_equally)


def test_in_cross_validation_the_ensembles_predictions_of_all_rounds_serve(tmp_path: Path) -> None:
    toy, report = Toy(tmp_path), RecordingReport()
    rows = [{"example": n, "label": n % 2, "text": f"text, {n}"} for n in range(40)]
    write_rows(toy.folder("examples") / "examples.csv", ["example", "label", "text"], rows)
    classes = [{"label": n, "category": name} for n, name in enumerate(("cat", "dog"))]
    write_rows(toy.folder("examples") / "classes.csv", ["label", "category"], classes)
    shares = np.where(np.arange(40) % 2, 0.1, 0.9)
    shares[[7, 30]] = 0.95, 0.02
    halves = [np.arange(0, 40, 2), np.arange(1, 40, 2)]
    rounds = {
        (str(n),): Predictions(h, h % 2, np.stack([shares[h], 1 - shares[h]], 1)) for n, h in enumerate(halves, 1)
    }
    write_rounds(toy.folder("ensemble") / "test.csv", rounds, ["fold"])
    audit_predictions(toy.folder("ensemble"), toy.folder("examples"), out=toy.folder("out"), report=report)
    first, second, *others = read_rows(toy.folder("out") / "audit.csv")
    assert (first["example"], first["text"], first["label"], first["suggested"]) == ("30", "text, 30", "cat", "dog")
    assert (second["example"], second["p_label"], second["p_suggested"], second["suspect"]) == (
        "7",
        "0.05",
        "0.95",
        "1",
    )
    assert [row["suspect"] for row in others] == ["0", "0"]
    figures = json.loads((toy.folder("out") / "audit.json").read_text())
    assert figures == report.figures[0] == {"n_audited": 40, "n_suspect": 2, "suspect_share": 0.05}


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("a lovely walk", "a lovely walk"),
        ("not a lovely walk, but fun", "not not_a not_lovely not_walk , but fun"),
        ("it wasn't so very good in the end", "it wasn't not_so not_very not_good not_in the end"),
    ],
)
def test_words_after_a_negation_are_marked_up_to_the_next_punctuation(text: str, marked: str) -> None:
    assert mark_negations(text) == marked
