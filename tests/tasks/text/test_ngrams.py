"""N-grams tell classes apart by the training part alone, and probabilities are probabilities."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from tasks.learning.fitted import read_fit
from tasks.learning.networks import build_network
from tasks.learning.predictions import read_predictions
from tasks.learning.script import load_network
from tasks.tables import read_rows
from tasks.text.grams import list_grams
from tasks.text.ngram_classifier import count_grams, fit_classifier, list_features, measure_ratio
from tasks.text.ngrams import fit_ngrams
from tasks.text.sections import Ngrams
from tasks.text.texts import read_texts
from tests.tasks.learning.toys import RecordingReport, Toy
from tests.tasks.text.toys import N_WORDS, TELLING, WORDS, make_texts, write_tokens

PLAIN = {"shortest_chars": 2, "longest_chars": 4, "min_texts": 1, "c": 1.0, "balance": "none"}


def make_ngrams(**values: object) -> Ngrams:
    return Ngrams.model_validate(PLAIN | values)


def fit(toy: Toy, **values: object) -> Path:
    out, places = toy.folder("out"), [toy.folder(name) for name in ("examples", "tokens", "folds")]
    fit_ngrams(*places, make_ngrams(**values), name="nbsvm", fold=5, out=out, report=RecordingReport())
    return out


@pytest.mark.parametrize(("mode", "parts"), [("holdout", {"valid": 4, "test": 5}), ("cross_validation", {"test": 5})])
def test_texts_that_it_never_saw_are_classified(tmp_path: Path, mode: str, parts: dict[str, int]) -> None:
    out = fit(make_texts(tmp_path, mode=mode))
    assert {path.stem for path in out.glob("[tv]*.csv")} == set(parts)
    for part, fold in parts.items():
        predictions = read_predictions(out / f"{part}.csv")
        assert predictions.examples.tolist() == [n for n in range(60) if n // 3 % 5 + 1 == fold]
        np.testing.assert_allclose(predictions.probabilities.sum(1), 1, atol=2e-6)
        assert (predictions.probabilities.argmax(1) == predictions.labels).all()


def test_only_the_training_part_is_counted(tmp_path: Path) -> None:
    weights = []
    for held_out in ([2, 3], [9, 9]):
        toy = make_texts(tmp_path / str(held_out))
        write_tokens(toy.folder("tokens"), [held_out if n // 3 % 5 > 2 else [2, TELLING[n % 3]] for n in range(60)])
        weights.append((fit(toy) / "state_dict.pt").read_bytes())
    assert weights[0] == weights[1]


def test_two_fits_are_the_same_bytes(tmp_path: Path) -> None:
    first, again = (fit(make_texts(tmp_path / name)) for name in "ab")
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_the_largest_weights_are_listed_by_name(tmp_path: Path) -> None:
    rows = read_rows(fit(make_texts(tmp_path)) / "heaviest.csv")
    for label, word in TELLING.items():
        first = next(row["ngram"] for row in rows if row["category"] == f"kind{label}")
        assert WORDS[word] in first.split()


@pytest.mark.parametrize(("balance", "class_weight"), [("none", None), ("weights", "balanced")])
def test_with_two_classes_it_is_scikit_learn_s_regression_on_weighted_n_grams(
    tmp_path: Path, balance: str, class_weight: str | None
) -> None:
    toy, ngrams = make_texts(tmp_path), make_ngrams(longest_chars=0, c=0.3, balance=balance)
    train = read_texts(toy.folder("tokens"), toy.folder("folds"), 5).train
    train.labels[:] = train.labels.clamp(max=1)  # twice as many texts of one class
    table = count_grams(train, N_WORDS)
    features = list_features(WORDS, ngrams)
    ratio = measure_ratio(table.grams.T @ table.targets, table.targets.sum(0))
    solution = fit_classifier(table, features, ngrams)
    # Both classes' ratios are opposite, so one weight serves both, as in a binary regression.
    np.testing.assert_allclose(ratio[:, 0], -ratio[:, 1])
    seen = np.flatnonzero(table.grams.getnnz(0))
    weighted = table.grams[:, seen].multiply(ratio[seen, 1]).tocsr()
    peer = LogisticRegression(C=0.3, tol=1e-10, max_iter=10_000, class_weight=class_weight)
    peer.fit(weighted, table.targets.argmax(1))
    ours = table.grams @ (solution.table[:, 1] - solution.table[:, 0]) + solution.bias[1] - solution.bias[0]
    np.testing.assert_allclose(ours, peer.decision_function(weighted), atol=0.02)


def test_words_that_are_spelt_alike_share_weights() -> None:
    words = ["<unk>", "<pad>", "sunny", "sunnyy", "rain"]
    features = list_features(words, make_ngrams())[:5].toarray()
    shared = features @ features.T
    assert shared[2, 3] > 8 and shared[2, 4] == 0 and shared[0, 0] == 1
    assert (list_features(words, make_ngrams(longest_chars=0)).diagonal() == 1).all()


def test_a_text_s_buckets_are_its_words_and_pairs_each_once_however_it_is_padded() -> None:
    narrow = list_grams(torch.tensor([[2, 3, 2, 3]]), 10)
    wide = list_grams(torch.tensor([[2, 3, 2, 3, 1, 1]]), 10)
    buckets = narrow[narrow != 1]
    assert buckets.tolist() == wide[wide != 1].tolist()
    # Two words, and the pairs start-2, 2-3, 3-2, 3-end.
    assert len(buckets) == 6 and (buckets < 10).sum() == 2


def test_the_fitted_network_can_be_scripted(tmp_path: Path) -> None:
    out = fit(make_texts(tmp_path))
    network = load_network(out, read_fit(out), make_ngrams())
    script = torch.jit.script(network)
    with torch.inference_mode():
        for words in ([[2]], [[5, 0, 11], [3, 4, 1]], [[1]]):
            torch.testing.assert_close(script(torch.tensor(words)), network(torch.tensor(words)))
    assert build_network(make_ngrams(), 3, (N_WORDS,)).table.shape == network.table.shape


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shortest_chars": 5}, "shortest_chars 5 is above longest_chars 4"),
        ({"words": 2}, "words"),
        ({"c": 0.0}, "c"),
    ],
)
def test_a_param_that_makes_no_sense_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        make_ngrams(**values)
