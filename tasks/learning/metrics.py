"""Scores of predictions."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from tasks.learning.predictions import Predictions

BINS = 10  # of confidence, for the calibration error


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions; all but log_loss (nats) are between 0 and 1."""

    accuracy: float
    macro_f1: float
    log_loss: float
    calibration_error: float

    def rounded(self) -> dict[str, float]:
        """Return the figures with six decimals, by name."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class ClassScores:
    """Scores of each class, all (classes)."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    examples: NDArray[np.int64]


def score(predictions: Predictions) -> Scores:
    """Return accuracy, macro F1, log loss and expected calibration error (Guo et al. 2017, ten equal bins)."""
    labels, probabilities = predictions.labels, predictions.probabilities
    classes = np.arange(probabilities.shape[1])
    chosen = probabilities.argmax(1)
    sums = probabilities.astype(np.float64).sum(1, keepdims=True)
    reliability = measure_reliability(predictions)
    return Scores(
        float(accuracy_score(labels, chosen)),
        float(f1_score(labels, chosen, labels=classes, average="macro", zero_division=0.0)),
        float(log_loss(labels, probabilities / sums, labels=classes)),
        reliability.calibration_error,
    )


def score_classes(predictions: Predictions) -> ClassScores:
    """Return precision, recall, F1 and number of examples of each class."""
    classes = np.arange(predictions.probabilities.shape[1])
    figures = precision_recall_fscore_support(
        predictions.labels, predictions.probabilities.argmax(1), labels=classes, zero_division=0.0
    )
    return ClassScores(*figures)


def count_confusions(predictions: Predictions) -> NDArray[np.int64]:
    """Return the confusion matrix: how often each class (rows) was predicted as each class (columns)."""
    classes = np.arange(predictions.probabilities.shape[1])
    return confusion_matrix(predictions.labels, predictions.probabilities.argmax(1), labels=classes)


@dataclass(frozen=True)
class Reliability:
    """For each non-empty bin of confidence: mean confidence, accuracy and number of predictions."""

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    examples: NDArray[np.int64]

    @property
    def calibration_error(self) -> float:
        """The mean distance between confidence and accuracy (Guo et al. 2017)."""
        return float(np.average(np.abs(self.confidence - self.accuracy), weights=self.examples))


def measure_reliability(predictions: Predictions) -> Reliability:
    """Return how often predictions made with a given confidence are right."""
    confidence = predictions.probabilities.max(1).astype(np.float64)
    is_right = predictions.probabilities.argmax(1) == predictions.labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    examples = np.bincount(bins, minlength=BINS)
    is_filled = examples > 0
    sums = [
        np.bincount(bins, values, minlength=BINS)[is_filled] / examples[is_filled] for values in (confidence, is_right)
    ]
    return Reliability(sums[0], sums[1], examples[is_filled])
