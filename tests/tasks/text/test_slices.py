"""Each text counts in the slices that it belongs to, in no other, by what was said of it when it was held out."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tasks.learning.predictions import Predictions, write_rounds
from tasks.tables import read_rows, write_rows
from tasks.text.slices import EMOTICON, NEGATION, mark_slices, score_slices
from tests.tasks.learning.toys import RecordingReport
from tests.tasks.text.toys import write_tokens

TEXTS = ["i like tea", "no tea today :(", "it isn't late", "zorp", "a, long one " * 8, "so, so"]
NUMBERS = [[3, 4, 5], [7, 5, 3, 0], [2, 7, 3], [0], [2] * 24, [0, 2, 0]]
LABELS = [1, 0, 1, 0, 1, 0]
RIGHT = [True, False, True, False, True, True]


def score(root: Path) -> tuple[Path, RecordingReport]:
    """Score two rounds, each of which holds out every other text; the second round knows no word at all."""
    ensemble, tweets, out, report = root / "ensemble", root / "tweets", root / "out", RecordingReport()
    tokens = [root / "tokens2", root / "tokens10"]
    for folder in (ensemble, tweets, out, *tokens):
        folder.mkdir()
    write_rows(tweets / "examples.csv", ["text"], ({"text": text} for text in TEXTS))
    (tweets / "classes.csv").write_text('label,category\n0,"sad"\n1,"glad"\n')
    write_tokens(tokens[0], NUMBERS)
    write_tokens(tokens[1], [[0] * len(numbers) for numbers in NUMBERS])
    rounds = {("10",): make_told([1, 3, 5]), ("2",): make_told([0, 2, 4])}
    write_rounds(ensemble / "test.csv", rounds, ["fold"])
    score_slices(ensemble, tweets, tokens, out=out, report=report)
    return out, report


def make_told(texts: list[int]) -> Predictions:
    labels = np.array([LABELS[text] for text in texts])
    chosen = np.array([label if RIGHT[text] else 1 - label for text, label in zip(texts, labels, strict=True)])
    sureness = 0.6 + 0.05 * np.array(texts)
    probabilities = np.stack([1 - sureness, sureness], 1)
    probabilities[chosen == 0] = probabilities[chosen == 0, ::-1]
    return Predictions(np.array(texts), labels, probabilities.astype(np.float32))


def test_the_slices_of_a_case_worked_out_by_hand(tmp_path: Path) -> None:
    out, report = score(tmp_path)
    rows = {row["slice"]: (int(row["examples"]), float(row["accuracy"])) for row in read_rows(out / "slices.csv")}
    assert rows == {
        "all": (6, 0.6667),
        "1 to 5 words": (5, 0.6),
        "over 20 words": (1, 1.0),
        "with a negation": (2, 0.5),
        "without negation": (4, 0.75),
        "with an emoticon": (1, 0.0),
        "without emoticon": (5, 0.8),
        "all words unknown": (3, 0.3333),
    }
    assert report.messages == ["lowest accuracy: with an emoticon, 0.0% of 1 texts"]


def test_the_surest_mistakes_stand_first(tmp_path: Path) -> None:
    out, _ = score(tmp_path)
    with (out / "worst.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["text"], row["actual"], row["predicted"]) for row in rows] == [
        ("zorp", "sad", "glad"),
        ("no tea today :(", "sad", "glad"),
    ]
    assert [float(row["confidence"]) for row in rows] == [0.75, 0.65]


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (NEGATION, "i do not mind", True),
        (NEGATION, "I DON'T mind", True),
        (NEGATION, "you can’t", True),
        (NEGATION, "cannot", True),
        (NEGATION, "nothing to know", True),
        (NEGATION, "a notable knot", False),
        (EMOTICON, "fine :)", True),
        (EMOTICON, ":-( late", True),
        (EMOTICON, "so =D", True),
        (EMOTICON, "well ;o) done", True),
        (EMOTICON, "i <3 tea", True),
        (EMOTICON, "^_^", True),
        (EMOTICON, "at 8:30 (sharp)", False),
        (EMOTICON, "xxurl and max", False),
        (EMOTICON, "note: done", False),
    ],
)
def test_what_counts_as_negation_and_emoticon(pattern, text: str, found: bool) -> None:
    assert (pattern.search(text) is not None) == found


def test_lengths_meet_without_gap() -> None:
    lengths = np.arange(1, 60)
    marked = mark_slices([""] * 59, lengths, np.zeros(59, bool))
    assert (sum(marked[name].astype(int) for name in marked if name.endswith("words")) == 1).all()
