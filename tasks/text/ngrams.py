"""The stage that fits a classifier of n-grams: words, pairs of words and characters, weighted by naive Bayes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.report import Report
from tasks.text.sections import Ngrams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from tasks.learning.examples import Examples

N_LARGEST = 25  # n-grams listed per class


def fit_ngrams(
    tweets: Path, tokens: Path, folds: Path, ngrams: Ngrams, *, name: str, fold: int, out: Path, report: Report
) -> None:
    """Fit the classifier `name` in the round that holds out `fold`, and predict its valid and test examples.

    It reads the word numbers in `tokens`, as the networks do. Writes `state_dict.pt`, `test.csv` and, if there is a
    validation part, `valid.csv` (probabilities), `fit.json`, and `heaviest.csv`, the words and pairs with the largest
    weights for each of the classes in `tweets`.
    """
    from tasks.learning.checkpoints import save_to_bytes
    from tasks.learning.fitted import Fit, write_fit
    from tasks.learning.networks import build_network
    from tasks.learning.predict import predict_batches
    from tasks.learning.predictions import write_predictions
    from tasks.text.ngram_classifier import BATCH, count_grams, fit_classifier, list_features
    from tasks.text.texts import read_texts
    from tasks.text.tokens import read_vocabulary

    parts, words = read_texts(tokens, folds, fold), read_vocabulary(tokens)
    table = count_grams(parts.train, len(words))
    solution = fit_classifier(table, list_features(words, ngrams), ngrams)
    fit = Fit(name, fold, table.targets.shape[1], (len(words),))
    network = build_network(ngrams, fit.n_classes, fit.input_shape)
    network.load_state_dict(solution.to_tensors())
    (out / "state_dict.pt").write_bytes(save_to_bytes(network.state_dict()))
    for part, examples in (("valid", parts.valid), ("test", parts.test)):
        if examples is not None:
            write_predictions(out / f"{part}.csv", predict_batches(network, examples, BATCH))
    _write_largest_weights(out, tweets, list_largest(network.state_dict()["table"], parts.train, words))
    write_fit(out, fit)
    report.say(f"{table.grams.shape[0]} texts have {len(set(table.grams.indices))} different words and pairs of words")


def list_largest(table: Tensor, train: Examples, words: list[str]) -> Iterator[tuple[int, str, float]]:
    """Yield the words and pairs with the largest weights for each class: its label, the n-gram, its weight.

    Of the pairs that share a bucket, it names the most frequent one of the training part.
    """
    from tasks.text.ngram_classifier import name_buckets

    largest = table.topk(min(N_LARGEST, len(table)), dim=0).indices
    names = name_buckets(set(largest.flatten().tolist()), train, words)
    for label, buckets in enumerate(largest.T.tolist()):
        yield from ((label, names[bucket], float(table[bucket, label])) for bucket in buckets if bucket in names)


def _write_largest_weights(out: Path, tweets: Path, largest: Iterator[tuple[int, str, float]]) -> None:
    from tasks.tables import read_classes, write_rows

    classes = read_classes(tweets)
    rows = ({"category": classes[label], "ngram": ngram, "weight": f"{weight:.4f}"} for label, ngram, weight in largest)
    write_rows(out / "heaviest.csv", ["category", "ngram", "weight"], rows)
