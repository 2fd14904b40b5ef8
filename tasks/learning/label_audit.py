"""Which labels are probably wrong: those that disagree most with out-of-fold predictions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.columns import read_columns, write_columns
from tasks.errors import UserError
from tasks.fold_assignment import draw_folds
from tasks.fold_table import FoldTable, read_table
from tasks.folds import read_round
from tasks.learning.predictions import Predictions, join_predictions, read_rounds
from tasks.report import Report
from tasks.tables import read_classes

N_FOLDS = 5
SEED = 1  # of the folds
LISTED_SHARE = 0.1  # of the examples, the most doubtful first; the suspects are listed in any case
PAIRS = 20  # bars of the plot
LEAST = 1e-6  # probability
C = 0.01  # inverse regularisation of the regression on frozen features, as in scikit-learn

IntArray = NDArray[np.int64]
PredictProba = Callable[[IntArray, IntArray, IntArray], NDArray[np.floating]]
"""Fits on examples (n) with labels (n) of 0, 1 ..., and returns the probabilities of others, (m, labels)."""


@dataclass(frozen=True)
class Doubts:
    """Each example's margin (n), the class that its prediction suggests (n), and whether its label is suspect (n)."""

    margins: NDArray[np.float64]
    suggested: NDArray[np.int64]
    is_suspect: NDArray[np.bool_]

    def list_positions(self) -> NDArray[np.int64]:
        """Return the positions of the examples to list, the most doubtful first."""
        n_listed = max(int(np.ceil(LISTED_SHARE * len(self.margins))), 1)
        order = np.argsort(self.margins, kind="stable")
        return order[(np.arange(len(order)) < n_listed) | self.is_suspect[order]]


def audit_predictions(ensemble: Path, examples: Path, *, out: Path, report: Report) -> None:
    """Audit all labels by the predictions that `ensemble` made in cross-validation; writes what `write_audit` does."""
    rounds = read_rounds(ensemble / "test.csv", ["fold"])
    write_audit(join_predictions(list(rounds.values())), examples, out=out, report=report)


def doubt_labels(predictions: Predictions) -> Doubts:
    """Compare out-of-fold predictions with the labels.

    Confident learning (Northcutt 2021): a class's threshold is the mean probability that its own examples have for it.
    Probabilities are divided by the thresholds; the largest ratio is the suggested class. A label is suspect if another
    class is suggested and reaches its threshold (an off-diagonal count of the confident joint). The margin is the log
    of the label's ratio to the largest other ratio; below 0, another class is suggested.
    """
    labels, probabilities = predictions.labels, predictions.probabilities.astype(np.float64).clip(LEAST)
    rows = np.arange(len(labels))
    thresholds = np.ones(probabilities.shape[1])
    for label in np.unique(labels):
        thresholds[label] = probabilities[labels == label, label].mean()
    ratios = probabilities / thresholds
    suggested, is_confident = ratios.argmax(1), ratios.max(1) >= 1
    others = ratios.copy()
    others[rows, labels] = 0
    margins = np.log(ratios[rows, labels]) - np.log(others.max(1))
    return Doubts(margins, suggested, is_confident & (suggested != labels))


def list_audited(folds: Path, fold: int) -> IntArray:
    """Return the rows of the training and validation part of the round that holds out `fold`, in order."""
    parts = read_round(folds, fold)
    return np.sort(np.concatenate([parts.train, parts.valid]))


def predict_out_of_fold(folds: Path, rows: IntArray, predict: PredictProba) -> Predictions:
    """Predict each of `rows` by a model that saw nothing of its group, in five folds that keep the classes' shares.

    Examples of a class that is in one fold only are left out, because no model could learn it. Raises UserError when
    each class has a single group.
    """
    table = read_table(folds / "folds.csv").take(rows)
    numbers = draw_folds(table.labels, table.groups, names=table.names, n_folds=_count_folds(table), seed=SEED)
    probabilities = np.zeros((len(rows), int(table.labels.max()) + 1), np.float32)
    is_known = np.zeros(len(rows), np.bool_)
    for number in np.unique(numbers):
        train, own = np.flatnonzero(numbers != number), np.flatnonzero(numbers == number)
        learnt, codes = np.unique(table.labels[train], return_inverse=True)
        if len(learnt) > 1:
            probabilities[np.ix_(own, learnt)] = predict(train, codes, own)
            is_known[own] = np.isin(table.labels[own], learnt)
    return Predictions(rows[is_known], table.labels[is_known], probabilities[is_known])


def make_regression(features: NDArray[np.float32]) -> PredictProba:
    """Return a logistic regression on standardised `features`, (rows, values)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def predict(train: IntArray, labels: IntArray, others: IntArray) -> NDArray[np.floating]:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=200))
        probabilities: NDArray[np.floating] = model.fit(features[train], labels).predict_proba(features[others])
        return probabilities

    return predict


def write_audit(predictions: Predictions, examples: Path, *, out: Path, report: Report) -> None:
    """Write the doubtful labels of out-of-fold `predictions`; `examples` is the folder of the clean table.

    Writes `audit.csv` (the tenth of the examples with the smallest margins and all suspects, the most doubtful first),
    `audit.json` (the numbers of labels audited and suspect) and `suspects.png` (suspects by label and suggested class).
    """
    doubts, classes = doubt_labels(predictions), read_classes(examples)
    _write_table(out / "audit.csv", predictions, doubts, examples, classes)
    n_audited, n_suspect = len(predictions), int(doubts.is_suspect.sum())
    figures = {"n_audited": n_audited, "n_suspect": n_suspect, "suspect_share": round(n_suspect / n_audited, 6)}
    (out / "audit.json").write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    _draw_pairs(out / "suspects.png", predictions, doubts, classes)
    report.metrics({name: float(value) for name, value in figures.items()}, step=0)
    report.say(f"{n_suspect} of {n_audited} labels are suspect; audit.csv lists them, the most doubtful first")


def _count_folds(table: FoldTable) -> int:
    """Return N_FOLDS, or fewer where a class has fewer groups, but at least 2."""
    pairs = np.unique(np.stack([table.labels, table.groups]), axis=1)
    n_groups = np.unique(pairs[0], return_counts=True)[1]
    if n_groups.max() < 2:
        raise UserError(
            f"The {len(table.names)} groups of the training and validation part are too few for a label audit, which "
            "needs two groups of a class: add recordings, pictures or texts."
        )
    return int(n_groups.min().clip(2, N_FOLDS))


def _write_table(path: Path, predictions: Predictions, doubts: Doubts, examples: Path, classes: Sequence[str]) -> None:
    positions = doubts.list_positions()
    labels, suggested = predictions.labels[positions], doubts.suggested[positions]
    listed = read_columns(examples / "examples.csv", [], ["file", "text"]).take(predictions.examples[positions])
    names = np.array(classes, np.str_)
    write_columns(
        path,
        {
            "example": predictions.examples[positions],
            **{name: listed[name] for name in listed.column_names},
            "label": names[labels],
            "suggested": names[suggested],
            "p_label": predictions.probabilities[positions, labels].astype(np.float64).round(6),
            "p_suggested": predictions.probabilities[positions, suggested].astype(np.float64).round(6),
            "margin": doubts.margins[positions].round(4),
            "suspect": doubts.is_suspect[positions].astype(np.int64),
        },
    )


def _draw_pairs(path: Path, predictions: Predictions, doubts: Doubts, classes: Sequence[str]) -> None:
    from tasks.plots import plot_bars

    labels, suggested = predictions.labels[doubts.is_suspect], doubts.suggested[doubts.is_suspect]
    pairs = Counter(f"{classes[a]} → {classes[b]}" for a, b in zip(labels, suggested, strict=True))
    plot_bars(path, dict(pairs.most_common(PAIRS)), title="Suspect labels and suggested classes", y_label="examples")
