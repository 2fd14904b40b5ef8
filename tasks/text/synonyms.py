"""Words that may stand for each other: from a list, or by how near their trained vectors are."""

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
    """The synonyms of each word: `ids` int32, in a row, and `offsets` int64 (words + 1), where each word's begin."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Whether a word has synonyms, (words)."""
        return np.diff(self.offsets) > 0

    def draw(self, words: NDArray[np.int32], generator: np.random.Generator) -> NDArray[np.int32]:
        """Return one of the synonyms of each of `words`, which must have some."""
        counts = self.offsets[words + 1] - self.offsets[words]
        return self.ids[self.offsets[words] + (generator.random(len(words)) * counts).astype(np.int64)]


def read_synonyms(path: Path, vocabulary: Sequence[str]) -> Synonyms:
    """Return the synonyms that a file lists: on each line words, with commas between, that may stand for each other.

    Words that the vocabulary lacks are passed over. Raises UserError when the file cannot be read as UTF-8, or no
    line has two words of the vocabulary.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a list of synonyms in UTF-8: {error}. Give another file.") from error
    known = {word: number for number, word in enumerate(vocabulary) if number not in (UNK, PAD)}
    found: list[set[int]] = [set() for _ in vocabulary]
    for line in lines:
        group = {known[word.strip()] for word in line.split(",") if word.strip() in known}
        for word in group:
            found[word] |= group - {word}
    if not any(found):
        raise UserError(
            f"{path.name} has no line with two words of the vocabulary, with commas between (good, fine, nice); "
            "give a list for these texts, or set insert_share and replace_share to 0."
        )
    return _make([sorted(others) for others in found])


def find_synonyms(
    vectors: NDArray[np.float32], *, count: int, least_cosine: float, without: Collection[int] = ()
) -> Synonyms:
    """Return for each word the `count` nearest of a trained embedding, (words, dimensions), by their cosine.

    No nearer than `least_cosine` is no synonym; neither are <unk>, <pad> and the words `without` (such as "the",
    "not"), which have none themselves.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    barred = np.array([UNK, PAD, *without])
    found: list[list[int]] = []
    for start in range(0, len(unit), BLOCK_WORDS):
        cosines = unit[start : start + BLOCK_WORDS] @ unit.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = cosines[:, barred] = -np.inf
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        found += [
            [int(word) for word in words if cosines[row, word] >= least_cosine] for row, words in enumerate(nearest)
        ]
    for word in barred.tolist():
        found[word] = []
    return _make(found)


def _make(found: Sequence[Sequence[int]]) -> Synonyms:
    counts = [len(words) for words in found]
    ids = np.array([word for words in found for word in words], np.int32)
    return Synonyms(ids, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
