"""N-grams of texts, and what they say for and against each class."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from tasks.text.sections import Ngrams

WORDS = r"\w+|[^\w\s]+"  # emoticons and punctuation speak too
N_LARGEST = 25  # n-grams listed for each class


@dataclass(frozen=True)
class NgramTable:
    """Which n-grams stand in which text, (texts, n-grams) of 0 and 1, and the n-grams."""

    grams: csr_matrix
    names: NDArray[np.object_]


@dataclass(frozen=True)
class BinaryClassifier:
    """What each n-gram says for one class against the others, and what is said without any."""

    weights: NDArray[np.float64]
    bias: float

    def judge(self, grams: csr_matrix) -> NDArray[np.float64]:
        """Return the class's probability for each text, (texts)."""
        return 1 / (1 + np.exp(-(grams @ self.weights + self.bias)))


@dataclass(frozen=True)
class NgramClassifier:
    """A voice for each class; for two classes one, which speaks for the second."""

    classifier: list[BinaryClassifier]

    def judge(self, grams: csr_matrix) -> NDArray[np.float32]:
        """Return probabilities (texts, classes)."""
        told = np.stack([voice.judge(grams) for voice in self.classifier], 1)
        if len(self.classifier) == 1:
            told = np.concatenate([1 - told, told], 1)
        return (told / told.sum(1, keepdims=True)).astype(np.float32)

    def list_weights(self) -> Iterator[NDArray[np.float64]]:
        """Yield the weights that speak for each class, in the order of the classes."""
        if len(self.classifier) == 1:
            yield -self.classifier[0].weights
        yield from (voice.weights for voice in self.classifier)


def count_grams(texts: list[str], train: NDArray[np.int64], ngrams: Ngrams) -> NgramTable:
    """Find the n-grams of the training texts in all texts."""
    kinds: list[dict[str, Any]] = [{"token_pattern": WORDS, "ngram_range": (1, ngrams.words)}]
    if ngrams.longest_chars:
        kinds.append({"analyzer": "char_wb", "ngram_range": (ngrams.shortest_chars, ngrams.longest_chars)})
    found, names = [], []
    for kind in kinds:
        counter = CountVectorizer(lowercase=True, binary=True, min_df=ngrams.min_texts, dtype=np.float64, **kind)
        counter.fit([texts[row] for row in train])
        found.append(counter.transform(texts))
        names.append(counter.get_feature_names_out())
    return NgramTable(hstack(found, format="csr"), np.concatenate(names))


def fit_classifier(grams: csr_matrix, labels: NDArray[np.int64], *, freedom: float) -> NgramClassifier:
    """Fit a voice for each class, or for two classes one, by what stands in which training text."""
    n_classes = int(labels.max()) + 1
    asked = [1] if n_classes == 2 else range(n_classes)
    return NgramClassifier([fit_binary(grams, labels == label, freedom=freedom) for label in asked])


def fit_binary(grams: csr_matrix, own: NDArray[np.bool_], *, freedom: float) -> BinaryClassifier:
    """Fit logistic regression on n-grams weighed by how much more often they stand in the class's own texts.

    Wang and Manning 2012, with logistic regression for their SVM, since it tells probabilities.
    """
    shares = [(grams[side].sum(0).A1 + 1) / (side.sum() + 2) for side in (own, ~own)]
    ratio = np.log(shares[0] / shares[1])
    fitted = LogisticRegression(C=freedom, solver="liblinear", dual=True, random_state=0, max_iter=1000)
    fitted.fit(grams.multiply(ratio).tocsr(), own)
    return BinaryClassifier(ratio * fitted.coef_[0], float(fitted.intercept_[0]))


def list_largest_weights(counted: NgramTable, classifier: NgramClassifier) -> Iterator[tuple[int, str, float]]:
    """Yield the n-grams that speak most for each class: its label, the n-gram, its weight."""
    for label, weights in enumerate(classifier.list_weights()):
        for gram in np.argsort(-weights, kind="stable")[:N_LARGEST]:
            yield label, str(counted.names[gram]), float(weights[gram])
