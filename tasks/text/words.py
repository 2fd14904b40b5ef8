"""Word tokens of many texts: each distinct chunk is tokenised once, the rest is done on arrays of integers."""

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
from tasks.text.sections import Tokens
from tasks.text.tokenisers import make_tokeniser, tokenise_all

SPECIALS = ["<unk>", "<pad>"]
BLOCK_TEXTS = 100_000

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Chunks:
    """The chunks between spaces of n texts: `codes` int32 index `words`; `counts` int64 (n), 1 or more each."""

    words: pa.StringArray
    codes: NDArray[np.int32]
    counts: IntArray


@dataclass(frozen=True)
class ChunkTokens:
    """The tokens of each chunk: `codes` int64 index `tokens`, chunk after chunk; `counts` int64 (chunks), 0 or more."""

    tokens: list[str]
    codes: IntArray
    counts: IntArray


def write_words(path: Path, train: IntArray, tokens: Tokens, *, out: Path, report: Report) -> None:
    """Write `tokens.npy`, `offsets.npy` and `vocabulary.json` of the texts in a clean table; `train` are rows of it."""
    chunks = split_texts(path)
    report.progress(1, 3, "steps")
    tokenised = tokenise_chunks(chunks.words, tokens)
    words = choose_words(tokenised, _count_tokens(chunks, tokenised, train), tokens)
    (out / "vocabulary.json").write_text(json.dumps(words, ensure_ascii=False, indent=0) + "\n")
    report.progress(2, 3, "steps")
    ids = _number_tokens(tokenised, words)
    lengths = _measure_texts(chunks, tokenised)
    offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 1))])
    np.save(out / "offsets.npy", offsets)
    blocks = _gather_ids(chunks, tokenised, ids, lengths)
    write_features(out, blocks, shape=(int(offsets[-1]),), dtype=np.int32, name="tokens.npy")
    report.progress(3, 3, "steps")
    n_words = len(words) - len(SPECIALS)
    report.say(
        f"The vocabulary has {n_words} of {len(tokenised.tokens)} words; "
        f"a tweet has {offsets[-1] / len(lengths):.1f} tokens."
    )


def split_texts(path: Path) -> Chunks:
    """Return the chunks of all texts of a clean table, read and split on all cores."""
    blocks = list(map_cores(split_block, read_blocks(path, "text")))
    every = pa.chunked_array([block.words for block in blocks], pa.string()).combine_chunks()
    coded = every.dictionary_encode()
    places, start, codes = coded.indices.to_numpy(), 0, []
    for block in blocks:
        codes.append(places[start : start + len(block.words)][block.codes])
        start += len(block.words)
    return Chunks(coded.dictionary, np.concatenate(codes), np.concatenate([block.counts for block in blocks]))


def split_block(texts: pa.StringArray) -> Chunks:
    """Return the chunks of some texts; an empty text has one empty chunk."""
    split = pc.split_pattern(texts, " ")
    coded = split.flatten().dictionary_encode()
    return Chunks(coded.dictionary, coded.indices.to_numpy(), np.diff(split.offsets.to_numpy()).astype(np.int64))


def tokenise_chunks(words: pa.StringArray, tokens: Tokens) -> ChunkTokens:
    """Return the tokens of every distinct chunk."""
    chunks = tokenise_all(words.to_pylist(), make_tokeniser(tokens.tokeniser), lower=tokens.lower)
    counts = np.fromiter(map(len, chunks), np.int64, len(chunks))
    coded = pa.array([token for chunk in chunks for token in chunk], pa.string()).dictionary_encode()
    return ChunkTokens(coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64), counts)


def choose_words(tokenised: ChunkTokens, counts: IntArray, tokens: Tokens) -> list[str]:
    """Return the words of the vocabulary by id, in the order of torchtext's Vocab: by count, then alphabetically.

    Raises UserError when no word is frequent enough.
    """
    from torchtext.vocab import Vocab

    # Vocab sorts all words it gets, so words too rare for the vocabulary are left out first; ties are kept.
    edge = np.sort(counts)[-tokens.max_words] if len(counts) > tokens.max_words else 0
    frequent = np.flatnonzero((counts >= edge) & (counts > 0))
    counter = Counter({tokenised.tokens[place]: int(counts[place]) for place in frequent.tolist()})
    words: list[str] = Vocab(counter, tokens.max_words, tokens.min_count, SPECIALS).itos
    if len(words) == len(SPECIALS):
        raise UserError(
            f"The vocabulary would be empty: no word occurs {tokens.min_count} times in the training part "
            "(tokens.min_count). Lower tokens.min_count, or use more texts."
        )
    return words


def _count_tokens(chunks: Chunks, tokenised: ChunkTokens, train: IntArray) -> IntArray:
    """Return how often each token occurs in the training texts, (tokens)."""
    is_train = np.zeros(len(chunks.counts), np.bool_)
    is_train[train] = True
    of_chunk = np.bincount(chunks.codes[np.repeat(is_train, chunks.counts)], minlength=len(chunks.words))
    counts = np.bincount(tokenised.codes, np.repeat(of_chunk, tokenised.counts), minlength=len(tokenised.tokens))
    return counts.astype(np.int64)


def _number_tokens(tokenised: ChunkTokens, words: list[str]) -> NDArray[np.int32]:
    """Return the id of each token, chunk after chunk; unknown words and `<pad>` itself become <unk>."""
    known = {word: number for number, word in enumerate(words) if number not in (UNK, PAD)}
    ids = np.fromiter((known.get(token, UNK) for token in tokenised.tokens), np.int32, len(tokenised.tokens))
    return ids[tokenised.codes]


def _measure_texts(chunks: Chunks, tokenised: ChunkTokens) -> IntArray:
    """Return the number of tokens of each text, (n)."""
    starts = np.concatenate([[0], np.cumsum(chunks.counts)[:-1]])
    return np.add.reduceat(tokenised.counts.astype(np.int32)[chunks.codes], starts).astype(np.int64)


def _gather_ids(
    chunks: Chunks, tokenised: ChunkTokens, ids: NDArray[np.int32], lengths: IntArray
) -> Iterator[NDArray[np.int32]]:
    """Yield the ids of BLOCK_TEXTS texts at a time, text after text; an empty text becomes one <unk>."""
    starts = np.concatenate([[0], np.cumsum(tokenised.counts)[:-1]])
    ends = np.concatenate([[0], np.cumsum(chunks.counts)])
    for first in range(0, len(lengths), BLOCK_TEXTS):
        last = min(first + BLOCK_TEXTS, len(lengths))
        codes = chunks.codes[ends[first] : ends[last]]
        taken = ids[expand_ranges(starts[codes], tokenised.counts[codes])]
        in_block = lengths[first:last]
        empty = np.flatnonzero(in_block == 0)
        yield np.insert(taken, (np.cumsum(in_block) - in_block)[empty], UNK) if len(empty) else taken


def expand_ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """Return start, start + 1 ... for each start, `counts` numbers each, one range after the other."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())
