"""A logistic regression on the n-grams of texts, weighted by naive Bayes (NB-SVM).

Wang and Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification", with logistic
regression in place of their SVM, because it gives probabilities.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack, identity, vstack
from scipy.special import log_softmax
from sklearn.feature_extraction.text import CountVectorizer

from tasks.learning.balance import weigh_classes
from tasks.learning.examples import Examples
from tasks.learning.ragged import PAD, UNK
from tasks.text.grams import PAIR_BUCKETS, hash_pairs, list_grams, pair_words
from tasks.text.sections import Ngrams

BATCH = 1024
PASSES = 300  # at most; 20,000 tweets need some 50
LEAST_GAIN = 1e-6  # a pass that lowers the loss by a smaller share is the last one

Floats = NDArray[np.float64]
Loss = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True)
class GramTable:
    """Which text contains which bucket, (texts, buckets) of 0 and 1, and the texts' classes, (texts, classes)."""

    grams: csr_matrix
    targets: Floats


@dataclass(frozen=True)
class Solution:
    """The weights of each bucket, (buckets, classes), and the bias of each class."""

    table: Floats
    bias: Floats

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """Return the state of a `GramNetwork`."""
        return {"table": torch.from_numpy(self.table).float(), "bias": torch.from_numpy(self.bias).float()}


def count_grams(examples: Examples, n_words: int) -> GramTable:
    """Find the buckets of every text; the texts are in the order of `examples.batches`."""
    columns, lengths, labels = [], [torch.zeros(1, dtype=torch.long)], []
    for words, of_batch in examples.batches(BATCH):
        grams = list_grams(words, n_words)
        columns.append(grams[grams != PAD].int())
        lengths.append((grams != PAD).sum(1))
        labels.append(of_batch)
    places, starts = torch.cat(columns).numpy(), torch.cat(lengths).cumsum(0).numpy()
    grams = csr_matrix((np.ones(len(places)), places, starts), shape=(len(starts) - 1, n_words + PAIR_BUCKETS))
    return GramTable(grams, np.eye(int(examples.labels.max()) + 1)[torch.cat(labels).numpy()])


def list_features(words: list[str], ngrams: Ngrams) -> csr_matrix:
    """Return which features a bucket consists of, (buckets, features) of 0 and 1: itself, and runs of characters.

    The runs are those of the word, with a blank on both sides. So words that are spelt alike share weights, and a
    word's weights still add up to one row of a table.
    """
    buckets = identity(len(words) + PAIR_BUCKETS, format="csr")
    if not ngrams.longest_chars:
        return buckets
    spelt = ["" if number in (UNK, PAD) else word for number, word in enumerate(words)]
    span = (ngrams.shortest_chars, ngrams.longest_chars)
    counter = CountVectorizer(analyzer="char_wb", ngram_range=span, lowercase=False, binary=True, dtype=np.float64)
    runs = counter.fit_transform(spelt)
    none = csr_matrix((PAIR_BUCKETS, runs.shape[1]))
    return hstack([buckets, vstack([runs, none])], format="csr")


def fit_classifier(table: GramTable, features: csr_matrix, ngrams: Ngrams) -> Solution:
    """Minimise c times the log loss, summed over the texts, plus the sum of the squared weights.

    With two classes this is scikit-learn's logistic regression with the same `c`, and with the balance `weights` that
    with `class_weight="balanced"`.
    """
    counts = features.T @ (table.grams.T @ table.targets)
    is_frequent = counts.sum(1) >= ngrams.min_texts
    frequent, ratio = features[:, is_frequent], measure_ratio(counts[is_frequent], table.targets.sum(0))
    used, n_classes = np.flatnonzero(frequent.getnnz(1)), table.targets.shape[1]
    small = GramTable(table.grams[:, used], table.targets)
    weights = weigh_texts(table.targets) if ngrams.balance == "weights" else np.ones((1, 1))
    loss, start = make_loss(small, frequent[used], ratio, ngrams.c * weights), np.zeros((len(ratio) + 1) * n_classes)
    limits = {"maxiter": PASSES, "ftol": LEAST_GAIN}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=limits).x.reshape(-1, n_classes)
    return Solution(frequent @ (ratio * found[:-1]), found[-1])


def measure_ratio(counts: Floats, texts: Floats) -> Floats:
    """Return the naive Bayes ratio of each feature and class, (features, classes).

    It is the logarithm of the feature's frequency in texts of the class over that in other texts, given `counts`
    (features, classes) and the number of texts of each class.
    """
    others = counts.sum(1, keepdims=True) - counts
    ratio: Floats = np.log((counts + 1) / (texts + 2)) - np.log((others + 1) / (texts.sum() - texts + 2))
    return ratio


def weigh_texts(targets: Floats) -> Floats:
    """Return a weight per text, (texts, 1), so that all classes weigh the same together."""
    labels = torch.from_numpy(targets.argmax(1))
    return weigh_classes(labels, targets.shape[1])[labels].double().unsqueeze(1).numpy()


def make_loss(table: GramTable, features: csr_matrix, ratio: Floats, costs: Floats) -> Loss:
    """Return the function from weights, with the biases in a last row, to the loss and its gradient.

    `costs`, (texts, 1) or (1, 1), is what one unit of each text's log loss costs.
    """

    def measure(flat: Floats) -> tuple[float, Floats]:
        weights, bias = flat.reshape(-1, ratio.shape[1])[:-1], flat[-ratio.shape[1] :]
        logs = log_softmax(table.grams @ (features @ (ratio * weights)) + bias, axis=1)
        wrong = costs * (np.exp(logs) - table.targets)
        slope = ratio * (features.T @ (table.grams.T @ wrong)) + 2 * weights
        loss = (weights**2).sum() - (costs * logs * table.targets).sum()
        return float(loss), np.concatenate([slope.ravel(), wrong.sum(0)])

    return measure


def name_buckets(buckets: set[int], examples: Examples, words: list[str]) -> dict[int, str]:
    """Return the word, or the most frequent pair of words, of each bucket that occurs; `|` is a text's start or end."""
    shown = [*words[:PAD], "|", *words[PAD + 1 :]]
    counts: Counter[tuple[int, int, int]] = Counter()
    wanted = torch.tensor(sorted(buckets))
    for batch, _ in examples.batches(BATCH):
        pairs = pair_words(batch)
        hashed = hash_pairs(pairs, len(words))
        counts.update(map(tuple, torch.stack([hashed, *pairs])[:, torch.isin(hashed, wanted)].T.tolist()))
    counts.pop((PAD, PAD, PAD), None)
    named = {bucket: f"{shown[first]} {shown[second]}" for (bucket, first, second), _ in counts.most_common()[::-1]}
    return named | {bucket: shown[bucket] for bucket in buckets if bucket < len(words) and bucket != PAD}
