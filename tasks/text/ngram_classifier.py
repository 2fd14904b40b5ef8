"""N-grams of texts, and a logistic regression on them (NB-SVM)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from tasks.text.sections import Ngrams

WORDS = r"\w+|[^\w\s]+"  # emoticons and punctuation are tokens too
N_LARGEST = 25  # n-grams listed per class


@dataclass(frozen=True)
class NgramTable:
    """Which text contains which n-gram, (texts, n-grams) of 0 and 1, and the n-grams' names."""

    grams: csr_matrix
    names: NDArray[np.object_]


@dataclass(frozen=True)
class BinaryClassifier:
    """A logistic regression of one class against the others: a weight per n-gram, and a bias."""

    weights: NDArray[np.float64]
    bias: float

    def predict_proba(self, grams: csr_matrix) -> NDArray[np.float64]:
        """Return the class's probability for each text, (texts)."""
        return 1 / (1 + np.exp(-(grams @ self.weights + self.bias)))


@dataclass(frozen=True)
class NgramClassifier:
    """A binary classifier per class; with two classes a single one, for the second class."""

    binary: list[BinaryClassifier]

    def predict_proba(self, grams: csr_matrix) -> NDArray[np.float32]:
        """Return probabilities (texts, classes)."""
        shares = np.stack([each.predict_proba(grams) for each in self.binary], 1)
        if len(self.binary) == 1:
            shares = np.concatenate([1 - shares, shares], 1)
        return (shares / shares.sum(1, keepdims=True)).astype(np.float32)

    def list_weights(self) -> Iterator[NDArray[np.float64]]:
        """Yield the weights of each class, in the order of the labels."""
        if len(self.binary) == 1:
            yield -self.binary[0].weights
        yield from (each.weights for each in self.binary)


def count_grams(texts: list[str], train: NDArray[np.int64], ngrams: Ngrams) -> NgramTable:
    """Find the n-grams of the training texts in all texts."""
    kinds: list[dict[str, Any]] = [{"token_pattern": WORDS, "ngram_range": (1, ngrams.words)}]
    if ngrams.longest_chars:
        kinds.append({"analyzer": "char_wb", "ngram_range": (ngrams.shortest_chars, ngrams.longest_chars)})
    counts, names = [], []
    for kind in kinds:
        counter = CountVectorizer(lowercase=True, binary=True, min_df=ngrams.min_texts, dtype=np.float64, **kind)
        counter.fit([texts[row] for row in train])
        counts.append(counter.transform(texts))
        names.append(counter.get_feature_names_out())
    return NgramTable(hstack(counts, format="csr"), np.concatenate(names))


def fit_classifier(grams: csr_matrix, labels: NDArray[np.int64], *, c: float) -> NgramClassifier:
    """Fit a binary classifier per class, or with two classes a single one, on the n-grams of the training texts."""
    n_classes = int(labels.max()) + 1
    targets = [1] if n_classes == 2 else range(n_classes)
    return NgramClassifier([fit_binary(grams, labels == label, c=c) for label in targets])


def fit_binary(grams: csr_matrix, own: NDArray[np.bool_], *, c: float) -> BinaryClassifier:
    """Fit a logistic regression on n-grams weighted by their naive Bayes ratio for the class.

    Wang and Manning 2012, with logistic regression in place of their SVM, because it gives probabilities.
    """
    shares = [(grams[side].sum(0).A1 + 1) / (side.sum() + 2) for side in (own, ~own)]
    ratio = np.log(shares[0] / shares[1])
    fitted = LogisticRegression(C=c, solver="liblinear", dual=True, random_state=0, max_iter=1000)
    fitted.fit(grams.multiply(ratio).tocsr(), own)
    return BinaryClassifier(ratio * fitted.coef_[0], float(fitted.intercept_[0]))


def list_largest_weights(table: NgramTable, classifier: NgramClassifier) -> Iterator[tuple[int, str, float]]:
    """Yield the n-grams with the largest weights for each class: its label, the n-gram, its weight."""
    for label, weights in enumerate(classifier.list_weights()):
        for gram in np.argsort(-weights, kind="stable")[:N_LARGEST]:
            yield label, str(table.names[gram]), float(weights[gram])
