"""What tells texts apart or together in a few whole numbers: of the text, of its words, and of its words but one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.text.wash import ADDRESS, NAME

Hashes = NDArray[np.uint64]

RETWEET = "rt"
UNCOUNTED = ["", RETWEET, "via", ADDRESS, NAME]  # words that say nothing of what a text is
MIN_WORDS = 4  # of a text that may be near another one: shorter ones differ when a word does


@dataclass(frozen=True)
class Marks:
    """Of n texts: `text` and `words` (n), `user` (n), `n_words` (n), and `near`, in text order, n_words + 1 each.

    `words` is 0 where a text has none that count. `near` is there for texts of MIN_WORDS words or more.
    """

    text: Hashes
    words: Hashes
    user: Hashes
    n_words: NDArray[np.int64]
    near: Hashes


def mark_texts(texts: pa.StringArray, users: pa.StringArray) -> Marks:
    """Return the marks of washed texts.

    `words` is a sum over the words, so their order, case and punctuation do not count, nor what stands before RT:
    a retweet has the mark of what it repeats. `near` is that sum and the sum without each word in turn, for this
    user: two of a user's texts that differ in one word (another, one more, one less) have one in common.
    """
    split = pc.split_pattern(texts, " ")
    chunks = split.flatten().dictionary_encode()
    codes = chunks.indices.to_numpy()
    starts = split.offsets.to_numpy()[:-1].astype(np.int64)
    of_word, is_retweet = _hash_words(chunks.dictionary)
    hashes = _forget_before_retweet(of_word[codes], is_retweet[codes], starts)
    counted = hashes != 0
    words = np.add.reduceat(hashes, starts) if len(starts) else hashes
    n_words = np.add.reduceat(counted.astype(np.int64), starts) if len(starts) else np.zeros(0, np.int64)
    user = hash_strings(users)
    return Marks(hash_strings(texts), words, user, n_words, _mark_near(hashes[counted], words, user, n_words))


def hash_strings(texts: pa.StringArray) -> Hashes:
    """Return SipHash of each text, (n): the same on every machine."""
    from pandas.util import hash_array

    return hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)


def _hash_words(words: pa.StringArray) -> tuple[Hashes, NDArray[np.bool_]]:
    """Return a hash of each word as it counts, 0 where it does not, and which of them is RT."""
    bare = pc.replace_substring_regex(pc.utf8_lower(words), r"@\w+|[^\pL\pN]+", "")
    # What has neither letter nor digit, such as a smiley, counts as it stands.
    whole = pc.if_else(pc.equal(bare, ""), _drop_punctuation(words), bare)
    hashes = hash_strings(whole) | np.uint64(1)
    hashes[pc.is_in(whole, pa.array(UNCOUNTED)).to_numpy(zero_copy_only=False)] = 0
    return hashes, pc.equal(bare, RETWEET).to_numpy(zero_copy_only=False)


def _drop_punctuation(words: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(words, r"^(?:[-.,;:!?\"'*]+|@\w*)$", "")


def _forget_before_retweet(hashes: Hashes, is_retweet: NDArray[np.bool_], starts: NDArray[np.int64]) -> Hashes:
    """Return the hashes with those before a text's last RT set to 0."""
    places = np.flatnonzero(is_retweet)
    if not len(places):
        return hashes
    kept = hashes.copy()
    rows = np.searchsorted(starts, places, side="right") - 1
    for row, place in dict(zip(rows.tolist(), places.tolist(), strict=True)).items():
        kept[starts[row] : place] = 0
    return kept


def _mark_near(hashes: Hashes, words: Hashes, user: Hashes, n_words: NDArray[np.int64]) -> Hashes:
    """Return for each text of enough words its sum and the sum without each word, mixed with its user."""
    enough = n_words >= MIN_WORDS
    of_hash = np.repeat(enough, n_words)
    counts = n_words[enough]
    without = np.repeat(words[enough], counts) - hashes[of_hash]
    ends = np.cumsum(counts)
    sums = np.insert(without, ends, words[enough])
    return (sums ^ np.repeat(user[enough], counts + 1)) * np.uint64(0x9E3779B97F4A7C15)
