"""Synonyms, from a list or from the cosine of trained word vectors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.learning.ragged import PAD, UNK

BLOCK_WORDS = 1024


@dataclass(frozen=True)
class Synonyms:
    """The synonyms of each word: `ids` int32, word after word, and `offsets` int64 (words + 1)."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Whether a word has synonyms, (words)."""
        return np.diff(self.offsets) > 0

    def draw(self, words: NDArray[np.int32], generator: np.random.Generator) -> NDArray[np.int32]:
        """Return a random synonym of each of `words`, all of which must have synonyms."""
        counts = self.offsets[words + 1] - self.offsets[words]
        return self.ids[self.offsets[words] + (generator.random(len(words)) * counts).astype(np.int64)]


def read_synonyms(path: Path, vocabulary: Sequence[str]) -> Synonyms:
    """Return the synonyms in a file: each line lists words, separated by commas, that are synonyms of each other.

    Words that are not in the vocabulary are ignored. Raises UserError when the file cannot be read as UTF-8, or no
    line has two words of the vocabulary.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as a list of synonyms in UTF-8: {error}. Set augment.synonyms to another file."
        ) from error
    known = {word: number for number, word in enumerate(vocabulary) if number not in (UNK, PAD)}
    synonyms: list[set[int]] = [set() for _ in vocabulary]
    for line in lines:
        group = {known[word.strip()] for word in line.split(",") if word.strip() in known}
        for word in group:
            synonyms[word] |= group - {word}
    if not any(synonyms):
        raise UserError(
            f"{path.name} has no line with two words of the vocabulary, separated by commas (good, fine, nice). "
            "Set augment.synonyms to a list for these texts, or insert_share and replace_share to 0."
        )
    return _make([sorted(others) for others in synonyms])


def find_synonyms(
    vectors: NDArray[np.float32], *, count: int, least_cosine: float, without: Collection[int] = ()
) -> Synonyms:
    """Return for each word the `count` nearest words of a trained embedding, (words, dimensions), by cosine.

    Words with a cosine below `least_cosine` are no synonyms. <unk>, <pad> and the words `without` (such as "the",
    "not") neither are synonyms nor have any.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    excluded = np.array([UNK, PAD, *without])
    synonyms: list[list[int]] = []
    for start in range(0, len(unit), BLOCK_WORDS):
        cosines = unit[start : start + BLOCK_WORDS] @ unit.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = cosines[:, excluded] = -np.inf
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        synonyms += [
            [int(word) for word in words if cosines[row, word] >= least_cosine] for row, words in enumerate(nearest)
        ]
    for word in excluded.tolist():
        synonyms[word] = []
    return _make(synonyms)


def _make(synonyms: Sequence[Sequence[int]]) -> Synonyms:
    counts = [len(words) for words in synonyms]
    ids = np.array([word for words in synonyms for word in words], np.int32)
    return Synonyms(ids, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
