"""Hashes that find equal and similar texts: of the text, of its words, and of its words without one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.text.normalise import ADDRESS, NAME

Hashes = NDArray[np.uint64]

RETWEET = "rt"
UNCOUNTED = ["", RETWEET, "via", ADDRESS, NAME]  # words that do not count when texts are compared
BASE = np.uint64(0xD1342543DE82EF95)  # odd, so that no power of it is 0 modulo 2^64
MIX = np.uint64(0x9E3779B97F4A7C15)
OF_BYTE = np.asarray(np.random.PCG64(1).random_raw(256), np.uint64)
MIN_WORDS = 4  # of a text that may be near another: shorter texts that differ in one word are different texts


@dataclass(frozen=True)
class TextHashes:
    """The hashes of n texts: `text`, `words`, `user` and `n_words` (n), and `near`, n_words hashes for each text.

    `words` is 0 if no word of a text counts. Only texts of MIN_WORDS words or more have `near` hashes.
    """

    text: Hashes
    words: Hashes
    user: Hashes
    n_words: NDArray[np.int64]
    near: Hashes


def hash_texts(texts: pa.StringArray, users: pa.StringArray) -> TextHashes:
    """Return the hashes of normalised texts, none of them empty.

    `words` is a sum over the words, so order, case and punctuation do not count. Nor do the words before RT: a
    retweet has the hash of the text that it repeats. `near` is `words` + `user` minus each word in turn: if two texts
    of a user differ in one word, a near hash of one equals a near hash of the other, or its `words` + `user`.
    """
    user = hash_strings(users)
    if not len(texts):
        return TextHashes(user, user, user, np.zeros(0, np.int64), user)
    split = pc.split_pattern(texts, " ")
    chunks = split.flatten().dictionary_encode()
    codes = chunks.indices.to_numpy()
    offsets = split.offsets.to_numpy()
    starts = offsets[:-1].astype(np.int64)
    places = np.arange(len(codes)) - np.repeat(starts, np.diff(offsets))
    text = np.add.reduceat(hash_strings(chunks.dictionary)[codes] * _raise(places), starts)
    user = np.where(user == 0, text, user)  # texts without a user are by nobody else
    of_word, is_retweet = _hash_words(chunks.dictionary)
    hashes = _clear_before_retweet(of_word[codes], is_retweet[codes], starts)
    counted = hashes != 0
    words = np.add.reduceat(hashes, starts)
    n_words = np.add.reduceat(counted, starts, dtype=np.int64)
    return TextHashes(text, words, user, n_words, _hash_near(hashes[counted], words + user, n_words))


def hash_strings(texts: pa.StringArray) -> Hashes:
    """Return a number of 64 bits for each text, (n): a polynomial over its bytes, the same on every machine."""
    _, offsets, values = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    letters = np.frombuffer(values or b"", np.uint8)[bounds[0] : bounds[-1]]
    sizes = np.diff(bounds)
    places = np.arange(len(letters)) - np.repeat(bounds[:-1] - bounds[0], sizes)
    terms = OF_BYTE[letters] * _raise(places)
    sums = np.zeros(len(texts), np.uint64)
    filled = sizes > 0
    if filled.any():
        sums[filled] = np.add.reduceat(terms, (bounds[:-1] - bounds[0])[filled])
    return sums * MIX


def _raise(exponents: NDArray[np.int64]) -> Hashes:
    """Return BASE to the power of each exponent, modulo 2^64."""
    most = int(exponents.max(initial=0)) + 1
    return np.multiply.accumulate(np.concatenate([[np.uint64(1)], np.full(most, BASE)]))[exponents]


def _hash_words(words: pa.StringArray) -> tuple[Hashes, NDArray[np.bool_]]:
    """Return the hash of each word, 0 for words that do not count, and which words are RT."""
    bare = pc.replace_substring_regex(pc.utf8_lower(words), r"@\w+|[^\pL\pN]+", "")
    # A word with neither letter nor digit, such as a smiley, counts unchanged.
    whole = pc.if_else(pc.equal(bare, ""), _drop_punctuation(words), bare)
    hashes = hash_strings(whole) | np.uint64(1)
    hashes[pc.is_in(whole, pa.array(UNCOUNTED)).to_numpy(zero_copy_only=False)] = 0
    return hashes, pc.equal(bare, RETWEET).to_numpy(zero_copy_only=False)


def _drop_punctuation(words: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(words, r"^(?:[-.,;:!?\"'*]+|[()\[\]{}/|&~]|@\w*)$", "")


def _clear_before_retweet(hashes: Hashes, is_retweet: NDArray[np.bool_], starts: NDArray[np.int64]) -> Hashes:
    """Return the hashes with those before a text's last RT set to 0."""
    places = np.flatnonzero(is_retweet)
    if not len(places):
        return hashes
    cleared = hashes.copy()
    rows = np.searchsorted(starts, places, side="right") - 1
    for row, place in dict(zip(rows.tolist(), places.tolist(), strict=True)).items():
        cleared[starts[row] : place] = 0
    return cleared


def _hash_near(hashes: Hashes, whole: Hashes, n_words: NDArray[np.int64]) -> Hashes:
    """Return for each text of MIN_WORDS words or more its hash minus each word in turn, one after the other."""
    enough = n_words >= MIN_WORDS
    return np.repeat(whole[enough], n_words[enough]) - hashes[np.repeat(enough, n_words)]
