"""A model counts as better only when other examples of the same kind would say so too."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.learning.comparison import compare_predictions, compare_tables, score_table
from tasks.learning.metrics import score
from tasks.learning.predictions import Predictions, write_rounds


def make_predictions(right: NDArray[np.bool_], first: int = 0) -> Predictions:
    """Return predictions of two classes that are right where asked."""
    labels = np.arange(len(right)) % 2
    chosen = np.where(right, labels, 1 - labels)
    return Predictions(np.arange(len(right)) + first, labels, np.eye(2, dtype=np.float32)[chosen] * 0.6 + 0.2)


def get_right(n: int, count: int, first: int = 0) -> NDArray[np.bool_]:
    """Return n answers of which `count` are right, from example `first` on."""
    return (np.arange(n) >= first) & (np.arange(n) < first + count)


CASES = {
    "clearly better": (get_right(200, 180), get_right(200, 150), True),
    "better within the noise": (get_right(200, 151), get_right(200, 149), False),
    "one example more": (get_right(1000, 901), get_right(1000, 900), False),
    "as accurate on other examples": (get_right(200, 150), get_right(200, 150, first=50), False),
    "the very same": (get_right(200, 150), get_right(200, 150), False),
    "worse": (get_right(200, 150), get_right(200, 180), False),
    "both always right": (get_right(50, 50), get_right(50, 50), False),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_clearly_better_counts_as_better(case: str) -> None:
    new, other, better = CASES[case]
    comparison = compare_predictions(make_predictions(new), make_predictions(other))
    assert comparison.is_better is better
    assert comparison.score - comparison.other == pytest.approx(new.mean() - other.mean())
    assert comparison.low <= comparison.score - comparison.other <= comparison.high
    assert compare_predictions(make_predictions(new), make_predictions(other)) == comparison


def test_the_interval_is_that_of_examples_drawn_with_replacement() -> None:
    rng = np.random.default_rng(1)
    new, other = rng.random(150) < 0.9, rng.random(150) < 0.8
    found = compare_predictions(make_predictions(new), make_predictions(other))
    drawn = rng.integers(0, 150, (20_000, 150))
    low, high = np.percentile(new[drawn].mean(1) - other[drawn].mean(1), [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.007)


def draw_predictions(rng: np.random.Generator, labels: NDArray[np.int64], right: list[float]) -> Predictions:
    """Return random answers to `labels`; `right` is the share of right ones in each class."""
    chosen = np.where(
        rng.random(len(labels)) < np.array(right)[labels], labels, rng.integers(0, len(right), len(labels))
    )
    return Predictions(np.arange(len(labels)), labels, np.eye(len(right), dtype=np.float32)[chosen] * 0.6 + 0.1)


def test_the_interval_of_macro_f1_is_that_of_examples_drawn_with_replacement() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [120, 40, 6])
    new, other = (draw_predictions(rng, labels, right) for right in ([0.7, 0.8, 0.6, 0], [0.95, 0.5, 0.1, 0]))
    found = compare_predictions(new, other, metric="macro_f1")
    assert (found.score, found.other) == pytest.approx((score(new).macro_f1, score(other).macro_f1))
    drawn = rng.integers(0, len(labels), (2000, len(labels)))
    scores = [[measure_macro_f1(model, rows) for rows in drawn] for model in (new, other)]
    low, high = np.percentile(np.subtract(*scores), [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def measure_macro_f1(predictions: Predictions, rows: NDArray[np.int64]) -> float:
    """Return the mean over the classes of the harmonic mean of precision and recall in some rows."""
    labels, chosen = predictions.labels[rows], predictions.probabilities[rows].argmax(1)
    pairs = [(labels == each, chosen == each) for each in range(predictions.probabilities.shape[1])]
    return float(np.mean([2 * (a & b).sum() / max(a.sum() + b.sum(), 1) for a, b in pairs]))


def test_what_helps_a_rare_class_at_the_cost_of_the_common_one_is_better_by_macro_f1_only() -> None:
    labels = np.repeat([0, 1], [950, 50])
    wary = Predictions(np.arange(1000), labels, np.tile(np.float32([0.9, 0.1]), (1000, 1)))
    chosen = np.where(np.arange(1000) % 10 == 0, 1 - labels, labels)
    fair = Predictions(np.arange(1000), labels, np.eye(2, dtype=np.float32)[chosen])
    by_accuracy = compare_predictions(fair, wary, metric="accuracy")
    by_macro_f1 = compare_predictions(fair, wary, metric="macro_f1")
    assert (by_accuracy.is_better, by_macro_f1.is_better) == (False, True)
    assert str(by_macro_f1).startswith("macro F1 ") and str(by_macro_f1).endswith(": better")
    assert str(by_accuracy).startswith("accuracy 90.0% against 95.0%") and str(by_accuracy).endswith(": worse")


@pytest.mark.parametrize("n", [150, 2000])
def test_of_two_equally_good_models_the_new_one_seldom_counts_as_better(n: int) -> None:
    rng = np.random.default_rng(2)
    wins = 0
    for _ in range(400):
        both = rng.random(n) < 0.8
        new, other = (both ^ (rng.random(n) < 0.06) for _ in range(2))
        wins += compare_predictions(make_predictions(new), make_predictions(other)).is_better
    assert wins <= 20, f"{wins} of 400, where 2.5 % are meant"


def test_the_order_of_the_examples_does_not_matter() -> None:
    new, other = make_predictions(get_right(60, 50)), make_predictions(get_right(60, 20))
    turned = Predictions(new.examples[::-1], new.labels[::-1], new.probabilities[::-1])
    assert compare_predictions(turned, other) == compare_predictions(new, other)


@pytest.mark.parametrize("change", ["other examples", "fewer examples", "other labels"])
def test_models_tested_on_other_data_are_not_compared(change: str) -> None:
    new = make_predictions(get_right(60, 50))
    other = {
        "other examples": make_predictions(get_right(60, 50), first=1),
        "fewer examples": make_predictions(get_right(59, 50)),
        "other labels": Predictions(new.examples, 1 - new.labels, new.probabilities),
    }[change]
    with pytest.raises(UserError, match="compare models that were tested on the same data"):
        compare_predictions(new, other)


def test_tables_of_several_rounds_are_one_set_of_examples(tmp_path: Path) -> None:
    first, second = make_predictions(get_right(40, 30)), make_predictions(get_right(40, 40), first=40)
    write_rounds(tmp_path / "new.csv", {("1",): first, ("2",): second}, ["fold"])
    write_rounds(tmp_path / "other.csv", {("1",): first, ("2",): make_predictions(get_right(40, 10), 40)}, ["fold"])
    comparison = compare_tables(tmp_path / "new.csv", tmp_path / "other.csv", metric="accuracy")
    assert (comparison.examples, comparison.score, comparison.other) == (80, 0.875, 0.5)
    assert str(comparison).startswith("accuracy 87.5% against 50.0% on the same 80 examples, +37.5 points (95 %")
    assert str(comparison).endswith("): better")
    figures = score_table(tmp_path / "new.csv")
    assert (figures["accuracy"], figures["examples"]) == (0.875, 80)
    assert figures["log_loss"] == pytest.approx(-(0.875 * np.log(0.8) + 0.125 * np.log(0.2)), rel=1e-5)
