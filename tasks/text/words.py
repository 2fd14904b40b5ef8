"""Word tokens of many texts: each distinct chunk is cut once, and everything else is whole numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.columns import read_blocks
from tasks.errors import UserError
from tasks.features import write_features
from tasks.learning.ragged import PAD, UNK
from tasks.parallel import map_cores
from tasks.report import Report
from tasks.text.tokenisers import tokenise_all, make_tokeniser
from tasks.text.sections import Tokens

SPECIALS = ["<unk>", "<pad>"]
BLOCK_TEXTS = 100_000

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Chunks:
    """What stands between spaces in n texts: `codes` int32, in a row, of `words`; `counts` int64 (n), 1 or more."""

    words: pa.StringArray
    codes: NDArray[np.int32]
    counts: Whole


@dataclass(frozen=True)
class ChunkTokens:
    """The tokens of each chunk, in a row: `codes` int64 of `tokens`, `counts` int64 (chunks), 0 or more."""

    tokens: list[str]
    codes: Whole
    counts: Whole


def write_words(path: Path, train: Whole, tokens: Tokens, *, out: Path, report: Report) -> None:
    """Write `tokens.npy`, `offsets.npy` and `vocabulary.json` of the texts in a clean table; `train` are rows of it."""
    chunks = split_texts(path)
    report.progress(1, 3, "steps")
    cut = tokenise_chunks(chunks.words, tokens)
    words = choose_words(cut, _count_tokens(chunks, cut, train), tokens)
    (out / "vocabulary.json").write_text(json.dumps(words, ensure_ascii=False, indent=0) + "\n")
    report.progress(2, 3, "steps")
    ids = _number_tokens(cut, words)
    lengths = _measure_texts(chunks, cut)
    offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 1))])
    np.save(out / "offsets.npy", offsets)
    blocks = _gather_ids(chunks, cut, ids, lengths)
    write_features(out, blocks, shape=(int(offsets[-1]),), dtype=np.int32, name="tokens.npy")
    report.progress(3, 3, "steps")
    n_words = len(words) - len(SPECIALS)
    report.say(f"{n_words} words known of {len(cut.tokens)}, {offsets[-1] / len(lengths):.1f} tokens a tweet.")


def split_texts(path: Path) -> Chunks:
    """Return the chunks of all texts of a clean table, read and split on all cores."""
    parts = list(map_cores(split_block, read_blocks(path, "text")))
    every = pa.chunked_array([part.words for part in parts], pa.string()).combine_chunks()
    coded = every.dictionary_encode()
    places, start, codes = coded.indices.to_numpy(), 0, []
    for part in parts:
        codes.append(places[start : start + len(part.words)][part.codes])
        start += len(part.words)
    return Chunks(coded.dictionary, np.concatenate(codes), np.concatenate([part.counts for part in parts]))


def split_block(texts: pa.StringArray) -> Chunks:
    """Return the chunks of some texts; an empty text has one, the empty one."""
    split = pc.split_pattern(texts, " ")
    coded = split.flatten().dictionary_encode()
    return Chunks(coded.dictionary, coded.indices.to_numpy(), np.diff(split.offsets.to_numpy()).astype(np.int64))


def tokenise_chunks(words: pa.StringArray, tokens: Tokens) -> ChunkTokens:
    """Return the tokens of every distinct chunk."""
    cut = tokenise_all(words.to_pylist(), make_tokeniser(tokens.tokeniser), lower=tokens.lower)
    counts = np.fromiter(map(len, cut), np.int64, len(cut))
    coded = pa.array([token for some in cut for token in some], pa.string()).dictionary_encode()
    return ChunkTokens(coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64), counts)


def choose_words(cut: ChunkTokens, counts: Whole, tokens: Tokens) -> list[str]:
    """Return the known words by id, as torchtext's Vocab orders them: by count, then by the alphabet.

    Raises UserError when none is frequent enough.
    """
    from torchtext.vocab import Vocab

    # Vocab sorts all that it gets; what cannot come among its first need not be sorted. Ties at the edge stay.
    edge = np.sort(counts)[-tokens.max_words] if len(counts) > tokens.max_words else 0
    frequent = np.flatnonzero((counts >= edge) & (counts > 0))
    counter = Counter({cut.tokens[place]: int(counts[place]) for place in frequent.tolist()})
    words: list[str] = Vocab(counter, tokens.max_words, tokens.min_count, SPECIALS).itos
    if len(words) == len(SPECIALS):
        raise UserError(
            f"No word of the training part is there {tokens.min_count} times (tokens.min_count), so the vocabulary "
            "would be empty; lower it, or give more texts."
        )
    return words


def _count_tokens(chunks: Chunks, cut: ChunkTokens, train: Whole) -> Whole:
    """Return how often each token stands in the training texts, (tokens)."""
    is_train = np.zeros(len(chunks.counts), np.bool_)
    is_train[train] = True
    of_chunk = np.bincount(chunks.codes[np.repeat(is_train, chunks.counts)], minlength=len(chunks.words))
    counts = np.bincount(cut.codes, np.repeat(of_chunk, cut.counts), minlength=len(cut.tokens))
    return counts.astype(np.int64)


def _number_tokens(cut: ChunkTokens, words: list[str]) -> NDArray[np.int32]:
    """Return the id of each token of the chunks, in a row; what is no known word is <unk>, also `<pad>` itself."""
    known = {word: number for number, word in enumerate(words) if number not in (UNK, PAD)}
    ids = np.fromiter((known.get(token, UNK) for token in cut.tokens), np.int32, len(cut.tokens))
    return ids[cut.codes]


def _measure_texts(chunks: Chunks, cut: ChunkTokens) -> Whole:
    """Return the number of tokens of each text, (n)."""
    starts = np.concatenate([[0], np.cumsum(chunks.counts)[:-1]])
    return np.add.reduceat(cut.counts.astype(np.int32)[chunks.codes], starts).astype(np.int64)


def _gather_ids(chunks: Chunks, cut: ChunkTokens, ids: NDArray[np.int32], lengths: Whole) -> Iterator[NDArray[np.int32]]:
    """Yield the ids of some texts after another, in a row; an empty text is one <unk>."""
    starts = np.concatenate([[0], np.cumsum(cut.counts)[:-1]])
    ends = np.concatenate([[0], np.cumsum(chunks.counts)])
    for first in range(0, len(lengths), BLOCK_TEXTS):
        last = min(first + BLOCK_TEXTS, len(lengths))
        codes = chunks.codes[ends[first] : ends[last]]
        taken = ids[spread(starts[codes], cut.counts[codes])]
        some = lengths[first:last]
        empty = np.flatnonzero(some == 0)
        yield np.insert(taken, (np.cumsum(some) - some)[empty], UNK) if len(empty) else taken


def spread(starts: Whole, counts: Whole) -> Whole:
    """Return start, start + 1 ... for each start, `counts` of them, in a row."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())
