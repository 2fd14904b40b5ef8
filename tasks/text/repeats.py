"""Finds repeated texts, which are set aside, and similar texts, which must stay in the same fold."""

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
    """Hashes, label codes and split of all texts, each array (n)."""

    hashes: TextHashes
    labels: NDArray[np.int8]
    is_test: NDArray[np.bool_]


def find_repeats(texts: Texts, groups: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return for each text KEPT or the number of the reason in REASONS why it is set aside, (n).

    If all rows of a text have the same label, the first row is kept, otherwise none. All hand-labelled rows are
    kept, and training rows that equal or resemble one of them are set aside.
    """
    order = np.argsort(texts.hashes.text, kind="stable")
    same = texts.hashes.text[order]
    starts = np.flatnonzero(np.concatenate([[True], same[1:] != same[:-1]]))
    labels, is_test = texts.labels[order], texts.is_test[order]
    counts = np.diff(np.append(starts, len(same)))
    contradicts = np.minimum.reduceat(labels, starts) != np.maximum.reduceat(labels, starts)
    in_test = np.logical_or.reduceat(is_test, starts)
    sorted_reasons = np.full(len(same), DOUBLE, np.int8)
    sorted_reasons[starts] = KEPT
    sorted_reasons[np.repeat(contradicts, counts)] = CONTRADICTION
    sorted_reasons[np.repeat(in_test, counts)] = TESTED
    reasons = np.empty_like(sorted_reasons)
    reasons[order] = sorted_reasons
    near = np.isin(groups, groups[texts.is_test])
    reasons[near & (reasons == KEPT)] = NEAR_TEST
    reasons[texts.is_test] = KEPT
    return reasons


def group_texts(hashes: TextHashes) -> NDArray[np.int64]:
    """Return a group number for each text, (n).

    Texts with the same words share a group, and so do a user's texts that differ in one word. Groups are connected
    components, so two texts of a group may differ in more. Sorting makes the time n log n.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    with_words = np.flatnonzero(hashes.words)
    ends = np.concatenate([link_equal(hashes.words[with_words], with_words), link_near(hashes)], axis=1)
    n = len(hashes.words)
    graph = coo_array((np.ones(ends.shape[1], np.bool_), (ends[0], ends[1])), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def link_equal(keys: Hashes, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return pairs of rows whose keys are equal, (2, pairs), so that all rows of a key are connected."""
    order = np.argsort(keys)
    same = keys[order]
    equal = np.flatnonzero(same[1:] == same[:-1])
    return np.stack([rows[order[equal]], rows[order[equal + 1]]])


def link_near(hashes: TextHashes) -> NDArray[np.int64]:
    """Return pairs of rows whose texts are equal after one word is removed from either or both, (2, pairs).

    A million texts have some twenty million hashes, most of them unique. Unique ones are left out before the rest is
    sorted together with its rows.
    """
    enough = np.flatnonzero(hashes.n_words >= MIN_WORDS)
    whole = (hashes.words + hashes.user)[enough]
    repeated = _find_repeated(np.concatenate([hashes.near, whole]))
    places = [_find_candidates(keys, repeated) for keys in (hashes.near, whole)]
    keys = np.concatenate([hashes.near[places[0]], whole[places[1]]])
    ends = np.cumsum(hashes.n_words[enough])
    rows = np.concatenate([np.searchsorted(ends, places[0], side="right"), places[1]])
    return link_equal(keys, enough[rows])


def join_hashes(blocks: Sequence[TextHashes]) -> TextHashes:
    """Return the hashes of several blocks as one object."""
    names = ("text", "words", "user", "n_words", "near")
    return TextHashes(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})


def _find_repeated(keys: Hashes) -> NDArray[np.bool_]:
    """Return for each prefix of HASH_BITS bits whether a repeated key begins with it; sorts `keys` in place."""
    keys.sort()
    repeated = np.zeros(1 << HASH_BITS, np.bool_)
    repeated[keys[1:][keys[1:] == keys[:-1]] >> SHIFT] = True
    return repeated


def _find_candidates(keys: Hashes, repeated: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the places of keys that may be repeated, found piece by piece to limit memory."""
    pieces = [
        start + np.flatnonzero(repeated[keys[start : start + PIECE] >> SHIFT]) for start in range(0, len(keys), PIECE)
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
