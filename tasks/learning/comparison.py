"""Whether one model is better than another on the same examples, by more than chance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.errors import UserError
from tasks.learning.ensemble import measure_log_loss
from tasks.learning.predictions import Predictions, join_predictions, read_rounds

RESAMPLES = 10_000
SEED = 0
TAILS_PERCENT = (2.5, 97.5)


@dataclass(frozen=True)
class Comparison:
    """Accuracies (0 to 1) of a model and another on the same examples; `low` to `high` holds their difference.

    It is the 95 % interval of the difference expected on other examples of the same kind.
    """

    examples: int
    accuracy: float
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
            f"accuracy {self.accuracy:.1%} against {self.other:.1%} on the same {self.examples} examples, "
            f"{100 * (self.accuracy - self.other):+.1f} points (95 % interval {100 * self.low:+.1f} to "
            f"{100 * self.high:+.1f}): {conclusion}"
        )


def compare_predictions(new: Predictions, other: Predictions) -> Comparison:
    """Return how `new` compares with `other`, by a paired bootstrap over examples (Efron and Tibshirani 1993, ch. 13).

    To draw n examples with replacement is to draw how many of them only one of the two gets right, so a resample
    costs the same for any n. The draws have a fixed seed. Raises UserError unless both predict the same examples.
    """
    new, other = _sort(new), _sort(other)
    _check_same(new, other)
    right = [model.probabilities.argmax(1) == model.labels for model in (new, other)]
    gains, losses = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    n = len(new)
    shares = np.array([gains, losses, n - gains - losses]) / n
    drawn = np.random.default_rng(SEED).multinomial(n, shares, RESAMPLES)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / n, TAILS_PERCENT)
    return Comparison(n, float(right[0].mean()), float(right[1].mean()), float(low), float(high))


def compare_tables(new: Path, other: Path) -> Comparison:
    """Compare two tables of held-out predictions, as `build_ensemble` writes them; raises as `compare_predictions`."""
    return compare_predictions(_read(new), _read(other))


def score_table(table: Path) -> dict[str, float]:
    """Return accuracy, log loss (nats) and the number of examples of a table of held-out predictions."""
    predictions = _read(table)
    accuracy = float((predictions.probabilities.argmax(1) == predictions.labels).mean())
    log_loss = measure_log_loss(predictions.probabilities, predictions.labels)
    return {"accuracy": accuracy, "log_loss": log_loss, "examples": len(predictions)}


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
