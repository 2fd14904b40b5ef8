"""Whether one model is better than another on the same examples, by more than chance."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.learning.ensemble import measure_log_loss
from tasks.learning.predictions import Predictions, join_predictions, read_rounds

RESAMPLES = 10_000
SEED = 0
TAILS_PERCENT = (2.5, 97.5)
BLOCK = 4_000_000  # counts drawn at once: 32 MB
NAMES = {"accuracy": "accuracy", "macro_f1": "macro F1"}

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Scores (0 to 1) of a model and another on the same examples; `low` to `high` holds their difference.

    It is the 95 % interval of the difference expected on other examples of the same kind. `metric` is a key of NAMES.
    """

    metric: str
    examples: int
    score: float
    other: float
    low: float
    high: float

    @property
    def is_better(self) -> bool:
        """Whether the model is better by more than the noise."""
        return self.low > 0

    def __str__(self) -> str:
        """Return one line, differences in percentage points."""
        conclusion = "better" if self.is_better else "worse" if self.high < 0 else "within the noise"
        return (
            f"{NAMES[self.metric]} {self.score:.1%} against {self.other:.1%} on the same {self.examples} examples, "
            f"{100 * (self.score - self.other):+.1f} points (95 % interval {100 * self.low:+.1f} to "
            f"{100 * self.high:+.1f}): {conclusion}"
        )


def compare_predictions(new: Predictions, other: Predictions, *, metric: str = "accuracy") -> Comparison:
    """Return how `new` compares with `other`, by a paired bootstrap over examples (Efron and Tibshirani 1993, ch. 13).

    `metric` is accuracy or macro_f1. To draw n examples with replacement is to draw how many of each kind there are: of
    the same label and the same two answers. So a resample costs the same for any n. The draws have a fixed seed. Raises
    UserError unless both predict the same examples.
    """
    new, other = _sort(new), _sort(other)
    _check_same(new, other)
    rows = np.stack([new.labels, new.probabilities.argmax(1), other.probabilities.argmax(1)])
    if metric == "accuracy":
        rows = np.stack([np.ones_like(new.labels), rows[1] == rows[0], rows[2] == rows[0]])
    (labels, *answers), counts = np.unique(rows, axis=1, return_counts=True)
    measures = [_Measure(metric, labels, each, new.probabilities.shape[1]) for each in answers]
    differences = [measures[0](drawn) - measures[1](drawn) for drawn in _draw_counts(counts)]
    low, high = np.percentile(np.concatenate(differences), TAILS_PERCENT)
    scores = [float(measure(counts[None])[0]) for measure in measures]
    return Comparison(metric, len(new), scores[0], scores[1], float(low), float(high))


def _draw_counts(counts: IntArray) -> Iterator[IntArray]:
    """Yield RESAMPLES draws, (some, kinds) each, of as many examples as there are, from kinds with these counts."""
    rng, n = np.random.default_rng(SEED), counts.sum()
    for size in np.diff(np.linspace(0, RESAMPLES, 1 + -(-RESAMPLES * len(counts) // BLOCK)).astype(np.int64)):
        yield rng.multinomial(n, counts / n, size)


@dataclass(frozen=True)
class _Measure:
    """A metric of answers to kinds of examples, (kinds) each."""

    metric: str
    labels: IntArray
    answers: IntArray
    n_classes: int

    def __call__(self, counts: IntArray) -> FloatArray:
        """Return the metric of each draw, (draws), from its number of examples of each kind (draws, kinds)."""
        if self.metric == "accuracy":
            return np.asarray(counts[:, self.labels == self.answers].sum(1) / counts.sum(1))
        return self._measure_macro_f1(counts.astype(np.float64))

    def _measure_macro_f1(self, counts: FloatArray) -> FloatArray:
        """Return the mean of F1 over the classes; as in `score`, a class without examples and answers has 0."""
        is_label, is_answer = (values[:, None] == np.arange(self.n_classes) for values in (self.labels, self.answers))
        right, sums = counts @ (is_label & is_answer), counts @ (is_label.astype(np.float64) + is_answer)
        return np.asarray((2 * right / np.maximum(sums, 1)).mean(1))


def compare_tables(new: Path, other: Path, *, metric: str) -> Comparison:
    """Compare two tables of held-out predictions, as `build_ensemble` writes them; raises as `compare_predictions`."""
    return compare_predictions(_read(new), _read(other), metric=metric)


def score_table(table: Path) -> dict[str, float]:
    """Return accuracy, macro F1, log loss (nats) and the number of examples of a table of held-out predictions."""
    predictions = _read(table)
    chosen, n_classes = predictions.probabilities.argmax(1), predictions.probabilities.shape[1]
    every = np.ones((1, len(predictions)), np.int64)
    figures = {name: float(_Measure(name, predictions.labels, chosen, n_classes)(every)[0]) for name in NAMES}
    log_loss = measure_log_loss(predictions.probabilities, predictions.labels)
    return figures | {"log_loss": log_loss, "examples": len(predictions)}


def _read(table: Path) -> Predictions:
    return join_predictions(list(read_rounds(table, ["fold"]).values()))


def _sort(predictions: Predictions) -> Predictions:
    order = np.argsort(predictions.examples, kind="stable")
    return Predictions(predictions.examples[order], predictions.labels[order], predictions.probabilities[order])


def _check_same(new: Predictions, other: Predictions) -> None:
    if not np.array_equal(new.examples, other.examples) or not np.array_equal(new.labels, other.labels):
        raise UserError(
            f"the two models predict {len(new)} and {len(other)} examples, which are not the same or differ in labels: "
            "compare models that were tested on the same data"
        )
