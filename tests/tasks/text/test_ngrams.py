"""N-grams tell classes apart by the training part alone, and probabilities are probabilities."""

import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tasks.learning.fitted import read_fit
from tasks.learning.predictions import read_predictions
from tasks.tables import read_rows, write_rows
from tasks.text.ngram_classifier import count_grams
from tasks.text.ngrams import fit_ngrams
from tasks.text.sections import Ngrams
from tests.tasks.learning.toys import RecordingReport, Toy, write_toy_classes, write_toy_folds

PHRASES = ["what a lovely walk {} :)", "my bus is late again {} :(", "the shop shuts at {} o'clock"]
PLAIN = {"words": 2, "shortest_chars": 2, "longest_chars": 4, "min_texts": 1, "c": 1.0}


def make_ngrams(**values: object) -> Ngrams:
    return Ngrams.model_validate(PLAIN | values)


def make_tweets(root: Path, *, n_classes: int = 3, mode: str = "holdout", held_out: str = "") -> Toy:
    """Write sixty texts; with `held_out` it stands in every text that is not trained on."""
    toy, labels = Toy(root), np.arange(60) % 3 % n_classes
    write_toy_folds(toy, labels, mode)
    write_toy_classes(toy)
    rows = []
    for n, label in enumerate(labels):
        text = PHRASES[label].format(n)
        rows.append({"label": label, "text": f"{text} {held_out}" if held_out and n // 3 % 5 > 2 else text})
    write_rows(toy.folder("examples") / "examples.csv", ["label", "text"], rows)
    return toy


def fit(toy: Toy, fold: int = 5, **values: object) -> Path:
    out = toy.folder("out")
    places = toy.folder("examples"), toy.folder("folds")
    fit_ngrams(*places, make_ngrams(**values), name="nbsvm", fold=fold, out=out, report=RecordingReport())
    return out


@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_it_never_saw_is_told_right(tmp_path: Path, n_classes: int) -> None:
    out = fit(make_tweets(tmp_path, n_classes=n_classes))
    for part, fold in (("valid", 4), ("test", 5)):
        predictions = read_predictions(out / f"{part}.csv")
        assert predictions.examples.tolist() == [n for n in range(60) if n // 3 % 5 + 1 == fold]
        assert predictions.probabilities.shape[1] == n_classes
        np.testing.assert_allclose(predictions.probabilities.sum(1), 1, atol=2e-6)
        assert (predictions.probabilities.argmax(1) == predictions.labels).all()
    made = read_fit(out)
    assert (made.member, made.fold, made.n_classes) == ("nbsvm", 5, n_classes)


def test_cross_validation_sees_no_validation(tmp_path: Path) -> None:
    out = fit(make_tweets(tmp_path, mode="cross_validation"), fold=2)
    assert not (out / "valid.csv").exists()


def test_words_of_held_out_texts_are_unknown(tmp_path: Path) -> None:
    shapes = [read_fit(fit(make_tweets(tmp_path / name, held_out=name))).input_shape for name in ("", "zebra")]
    assert shapes[0] == shapes[1]


def test_two_fits_are_the_same_bytes(tmp_path: Path) -> None:
    first, again = (fit(make_tweets(tmp_path / name)) for name in "ab")
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_what_speaks_most_for_a_class_is_listed(tmp_path: Path) -> None:
    rows = read_rows(fit(make_tweets(tmp_path), longest_chars=0) / "heaviest.csv")
    best = {row["category"]: row["ngram"] for row in reversed(rows)}
    assert best["kind0"] in PHRASES[0] and best["kind1"] in PHRASES[1] and best["kind2"] in PHRASES[2]
    assert {row["category"] for row in rows} == {"kind0", "kind1", "kind2"}


def test_emoticons_and_runs_of_characters_are_n_grams_too() -> None:
    names = set(count_grams(["Good day :)", "good"], np.array([0, 1]), make_ngrams()).names)
    assert {"good", "day :)", ":)", "oo"} <= names
    alone = count_grams(["Good day :)", "good"], np.array([0, 1]), make_ngrams(longest_chars=0, min_texts=2))
    assert list(alone.names) == ["good"] and alone.grams.toarray().tolist() == [[1], [1]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shortest_chars": 5}, "shortest_chars 5 is above longest_chars 4"),
        ({"words": 0}, "words"),
        ({"c": 0.0}, "c"),
    ],
)
def test_a_param_that_makes_no_sense_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        make_ngrams(**values)
