"""A linear classifier on n-grams of words and characters, weighted by naive Bayes, in scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.report import Report
from tasks.text.sections import Ngrams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from tasks.folds import Round
    from tasks.text.ngram_classifier import NgramClassifier, NgramTable


def fit_ngrams(tweets: Path, folds: Path, ngrams: Ngrams, *, name: str, fold: int, out: Path, report: Report) -> None:
    """Fit the classifier `name` in the round that holds out `fold`, and predict its valid and test examples.

    It reads the clean texts in `tweets`, not word numbers, so it is not part of the exported ensemble. Writes
    `test.csv` and, if there is a validation part, `valid.csv` (probabilities), `fit.json`, and `heaviest.csv`, the
    n-grams with the largest weights for each class. Wang and Manning 2012, "Baselines and Bigrams: Simple, Good
    Sentiment and Topic Classification".
    """
    import numpy as np

    from tasks.folds import read_round
    from tasks.learning.fitted import Fit, write_fit
    from tasks.tables import read_rows
    from tasks.text.ngram_classifier import count_grams, fit_classifier

    rows = read_rows(tweets / "examples.csv", ["label", "text"])
    labels = np.array([int(row["label"]) for row in rows])
    parts = read_round(folds, fold)
    table = count_grams([row["text"] for row in rows], parts.train, ngrams)
    classifier = fit_classifier(table.grams[parts.train], labels[parts.train], c=ngrams.c)
    _write_predictions(out, table.grams, labels, parts, classifier)
    _write_largest_weights(out, tweets, table, classifier)
    write_fit(out, Fit(name, fold, int(labels.max()) + 1, (len(table.names),)))
    report.say(f"{len(table.names)} n-grams of {len(parts.train)} texts")


def _write_predictions(
    out: Path, grams: csr_matrix, labels: NDArray[np.int64], parts: Round, classifier: NgramClassifier
) -> None:
    from tasks.learning.predictions import Predictions, write_predictions

    for part, rows in (("valid", parts.valid), ("test", parts.test)):
        if len(rows):
            write_predictions(
                out / f"{part}.csv", Predictions(rows, labels[rows], classifier.predict_proba(grams[rows]))
            )


def _write_largest_weights(out: Path, tweets: Path, table: NgramTable, classifier: NgramClassifier) -> None:
    from tasks.tables import read_classes, write_rows
    from tasks.text.ngram_classifier import list_largest_weights

    classes = read_classes(tweets)
    rows = (
        {"category": classes[label], "ngram": ngram, "weight": f"{weight:.4f}"}
        for label, ngram, weight in list_largest_weights(table, classifier)
    )
    write_rows(out / "heaviest.csv", ["category", "ngram", "weight"], rows)
