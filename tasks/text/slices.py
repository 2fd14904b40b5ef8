"""The ensemble's accuracy on different kinds of texts, and its most confident mistakes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.report import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.learning.predictions import Predictions

    Marked = Mapping[str, NDArray[np.bool_]]

LENGTHS = {"1 to 5 words": (1, 5), "6 to 10 words": (6, 10), "11 to 20 words": (11, 20), "over 20 words": (21, 10**9)}
NEGATION = re.compile(r"\b(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|cannot|without)\b|n['’]t\b", re.I)
EMOTICON = re.compile(r"(?:^|(?<=\W))[<>]?[:;=8xX][-o*'’^]?[)(\]\[dDpP/\\|oO3]+(?=\W|$)|<3|[)(][-o*'^]?[:;=]|\^_*\^")
WORST = 50  # most confident mistakes listed


def score_slices(ensemble: Path, tweets: Path, tokens: list[Path], *, out: Path, report: Report) -> None:
    """Score the held-out predictions of `ensemble` separately for each kind of texts.

    Kinds are lengths in words, texts with and without a negation or an emoticon, and texts all of whose words are
    unknown. `tokens` are the word numbers of each round, in the order of the held-out folds. Writes `slices.csv`
    (slice, examples, accuracy, log loss) and `worst.csv`, the most confident mistakes.
    """
    import numpy as np

    from tasks.learning.predictions import join_predictions, read_rounds
    from tasks.tables import read_rows

    rounds = read_rounds(ensemble / "test.csv", ["fold"])
    in_order = [rounds[key] for key in sorted(rounds, key=lambda key: int(key[0]))]
    texts = np.array([row["text"] for row in read_rows(tweets / "examples.csv", ["text"])], dtype=object)
    predictions = join_predictions(in_order)
    lengths, unknown = _measure_texts(in_order, tokens)
    marked = mark_slices(texts[predictions.examples].tolist(), lengths, unknown)
    _write_slices(out, predictions, marked, report)
    _write_worst(out, predictions, texts, tweets)


def mark_slices(texts: list[str], lengths: NDArray[np.int64], unknown: NDArray[np.bool_]) -> Marked:
    """Return which texts (n) are of which kind; `lengths` are in words, `unknown`: all words are unknown."""
    import numpy as np

    negated = np.array([NEGATION.search(text) is not None for text in texts])
    smiling = np.array([EMOTICON.search(text) is not None for text in texts])
    spans = {name: (lengths >= low) & (lengths <= high) for name, (low, high) in LENGTHS.items()}
    return {
        "all": np.ones(len(texts), bool),
        **spans,
        "with a negation": negated,
        "without negation": ~negated,
        "with an emoticon": smiling,
        "without emoticon": ~smiling,
        "all words unknown": unknown,
    }


def _measure_texts(rounds: list[Predictions], tokens: list[Path]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the words of each text predicted, and whether its round's vocabulary has none of them."""
    import numpy as np

    from tasks.learning.ragged import UNK
    from tasks.text.tokens import open_tokens

    lengths, unknown = [], []
    for predictions, folder in zip(rounds, tokens, strict=True):
        table = open_tokens(folder)
        texts = [table[row] for row in predictions.examples]
        lengths += [len(text) for text in texts]
        unknown += [bool((text == UNK).all()) for text in texts]
    return np.array(lengths), np.array(unknown)


def _write_slices(out: Path, predictions: Predictions, marked: Marked, report: Report) -> None:
    from tasks.learning.ensemble import measure_log_loss
    from tasks.tables import write_rows

    is_right = predictions.probabilities.argmax(1) == predictions.labels
    rows = [
        {
            "slice": name,
            "examples": int(in_slice.sum()),
            "accuracy": f"{is_right[in_slice].mean():.4f}",
            "log_loss": f"{measure_log_loss(predictions.probabilities[in_slice], predictions.labels[in_slice]):.4f}",
        }
        for name, in_slice in marked.items()
        if in_slice.any()
    ]
    write_rows(out / "slices.csv", ["slice", "examples", "accuracy", "log_loss"], rows)
    worst = min(rows, key=lambda row: str(row["accuracy"]))
    report.say(f"lowest accuracy: {worst['slice']}, {float(str(worst['accuracy'])):.1%} of {worst['examples']} texts")


def _write_worst(out: Path, predictions: Predictions, texts: NDArray[np.object_], tweets: Path) -> None:
    import numpy as np

    from tasks.tables import read_classes, write_rows

    classes, chosen = read_classes(tweets), predictions.probabilities.argmax(1)
    confidence = np.where(chosen == predictions.labels, -1.0, predictions.probabilities.max(1))
    worst = [row for row in np.argsort(-confidence, kind="stable")[:WORST] if confidence[row] > 0]
    rows = (
        {
            "example": predictions.examples[row],
            "actual": classes[predictions.labels[row]],
            "predicted": classes[chosen[row]],
            "confidence": f"{confidence[row]:.4f}",
            "text": texts[predictions.examples[row]],
        }
        for row in worst
    )
    write_rows(out / "worst.csv", ["example", "actual", "predicted", "confidence", "text"], rows)
