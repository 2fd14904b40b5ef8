"""Which texts are set aside as repeated, and which must stay in one fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.text.text_hashes import MIN_WORDS, Hashes, TextHashes

HASH_BITS = 22
PIECE = 1 << 20
SHIFT = np.uint64(64 - HASH_BITS)
KEPT, DOUBLE, CONTRADICTION, TESTED, NEAR_TEST = range(5)
REASONS = {
    DOUBLE: "double: the text and label of an earlier row",
    CONTRADICTION: "contradiction: the same text has another label elsewhere",
    TESTED: "test text: the hand-labelled file has it too",
    NEAR_TEST: "near a test text: the same words as a text of the hand-labelled file",
}


@dataclass(frozen=True)
class Texts:
    """What is known of all texts together, each array (n)."""

    hashes: TextHashes
    labels: NDArray[np.int8]
    is_test: NDArray[np.bool_]


def judge_repeats(texts: Texts, groups: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return for each text KEPT or why it is set aside, (n).

    Of a text with one label the first row is kept, of one with several none. The hand-labelled rows all stay, and
    training rows that are or resemble one of them go.
    """
    order = np.argsort(texts.marks.text, kind="stable")
    same = texts.marks.text[order]
    starts = np.flatnonzero(np.concatenate([[True], same[1:] != same[:-1]]))
    labels, is_test = texts.labels[order], texts.is_test[order]
    counts = np.diff(np.append(starts, len(same)))
    torn = np.minimum.reduceat(labels, starts) != np.maximum.reduceat(labels, starts)
    tested = np.logical_or.reduceat(is_test, starts)
    verdicts = np.full(len(same), DOUBLE, np.int8)
    verdicts[starts] = KEPT
    verdicts[np.repeat(torn, counts)] = CONTRADICTION
    verdicts[np.repeat(tested, counts)] = TESTED
    judged = np.empty_like(verdicts)
    judged[order] = verdicts
    near = np.isin(groups, groups[texts.is_test])
    judged[near & (judged == KEPT)] = NEAR_TEST
    judged[texts.is_test] = KEPT
    return judged


def group_texts(hashes: TextHashes) -> NDArray[np.int64]:
    """Return a number for each text, (n): the same for texts of the same words and a user's texts one word apart.

    Sorting makes it n log n; texts are linked in chains, so that a group may hold more than each other's neighbours.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    with_words = np.flatnonzero(marks.words)
    ends = np.concatenate([link_equal(marks.words[with_words], with_words), link_near(marks)], axis=1)
    n = len(marks.words)
    graph = coo_array((np.ones(ends.shape[1], np.bool_), (ends[0], ends[1])), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def link_equal(keys: Hashes, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return pairs of rows whose keys are equal, (2, pairs), so that all rows of a key hang together."""
    order = np.argsort(keys)
    same = keys[order]
    equal = np.flatnonzero(same[1:] == same[:-1])
    return np.stack([rows[order[equal]], rows[order[equal + 1]]])


def link_near(hashes: TextHashes) -> NDArray[np.int64]:
    """Return pairs of rows of which one is the other without a word, or both are the same without one, (2, pairs).

    There are some twenty million marks of a million texts, and most stand alone: those are left out before the
    rest is ordered with its rows.
    """
    enough = np.flatnonzero(marks.n_words >= MIN_WORDS)
    whole = (marks.words + marks.user)[enough]
    repeated = _find_repeated(np.concatenate([marks.near, whole]))
    places = [_look_up(keys, repeated) for keys in (marks.near, whole)]
    keys = np.concatenate([marks.near[places[0]], whole[places[1]]])
    ends = np.cumsum(marks.n_words[enough])
    rows = np.concatenate([np.searchsorted(ends, places[0], side="right"), places[1]])
    return link_equal(keys, enough[rows])


def join_hashes(parts: Sequence[TextHashes]) -> TextHashes:
    """Return the marks of several blocks as one."""
    names = ("text", "words", "user", "n_words", "near")
    return TextHashes(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _find_repeated(keys: Hashes) -> NDArray[np.bool_]:
    """Return whether some key that is there twice begins with each of the numbers of HASH_BITS; `keys` is sorted."""
    keys.sort()
    repeated = np.zeros(1 << HASH_BITS, np.bool_)
    repeated[keys[1:][keys[1:] == keys[:-1]] >> SHIFT] = True
    return repeated


def _look_up(keys: Hashes, repeated: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the places of keys that may be there twice, looked up by pieces to keep memory low."""
    pieces = [
        start + np.flatnonzero(repeated[keys[start : start + PIECE] >> SHIFT]) for start in range(0, len(keys), PIECE)
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
