"""Byte-pair tokens, learnt from the training texts with sentencepiece."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.columns import read_blocks
from tasks.errors import UserError
from tasks.features import write_features
from tasks.learning.ragged import PAD, UNK
from tasks.machine import count_cores
from tasks.report import Report
from tasks.text.sections import Tokens

MODEL = "bpe.model"
MAX_SENTENCES = 200_000  # the pairs are learnt from this many evenly spaced training texts; more texts change little


def write_pairs(path: Path, train: NDArray[np.int64], tokens: Tokens, *, out: Path, report: Report) -> None:
    """Write `bpe.model`, `tokens.npy`, `offsets.npy` and `vocabulary.json`; `train` are rows of the clean table."""
    model = learn_pairs(_read_sentences(path, train, tokens.lower), tokens.max_words)
    (out / MODEL).write_bytes(model)
    pairs = open_pairs(out)
    words = [pairs.id_to_piece(number) for number in range(pairs.get_piece_size())]
    (out / "vocabulary.json").write_text(json.dumps(words, ensure_ascii=False, indent=0) + "\n")
    report.progress(1, 2, "steps")
    blocks = [_encode_block(texts.to_pylist(), pairs, tokens.lower) for texts in read_blocks(path, "text")]
    lengths = np.concatenate([lengths for _, lengths in blocks])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    np.save(out / "offsets.npy", offsets)
    write_features(out, (ids for ids, _ in blocks), shape=(int(offsets[-1]),), dtype=np.int32, name="tokens.npy")
    report.progress(2, 2, "steps")
    report.say(f"{len(words)} pieces, {offsets[-1] / len(lengths):.1f} per tweet.")


def learn_pairs(sentences: Iterator[str], max_words: int) -> bytes:
    """Return a byte-pair model of at most `max_words` pieces; fewer if the texts have fewer.

    The model file holds the number of threads, so it is always 1. Raises UserError when `max_words` is smaller than
    the number of letters.
    """
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=sentences,
            model_writer=model,
            model_type="bpe",
            vocab_size=max_words + 2,
            hard_vocab_limit=False,
            unk_id=UNK,
            pad_id=PAD,
            bos_id=-1,
            eos_id=-1,
            character_coverage=0.9995,
            normalization_rule_name="identity",
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(
            f"sentencepiece cannot learn byte pairs with tokens.max_words {max_words}: "
            f"{str(error).splitlines()[-1].strip()} Set tokens.max_words to 1000 or more, or use more texts."
        ) from error
    return model.getvalue()


def open_pairs(folder: Path) -> Any:
    """Return sentencepiece's processor for the model in `folder`."""
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_proto=(folder / MODEL).read_bytes())


def encode_pairs(texts: list[str], pairs: Any, *, lower: bool) -> list[list[int]]:
    """Return the ids of each text's pieces; an empty text becomes one <unk>."""
    texts = [text.lower() for text in texts] if lower else texts
    return [ids or [UNK] for ids in pairs.encode(texts, out_type=int, num_threads=count_cores())]


def _encode_block(texts: list[str], pairs: Any, lower: bool) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the ids of some texts, one text after the other, and the number of ids of each."""
    ids = encode_pairs(texts, pairs, lower=lower)
    counts = np.fromiter(map(len, ids), np.int64, len(ids))
    return np.fromiter(chain.from_iterable(ids), np.int32, int(counts.sum())), counts


def _read_sentences(path: Path, train: NDArray[np.int64], lower: bool) -> Iterator[str]:
    """Yield at most MAX_SENTENCES training texts, evenly spaced, in order."""
    places = np.linspace(0, len(train) - 1, min(len(train), MAX_SENTENCES)).astype(np.int64)
    rows, first = np.sort(train)[places], 0
    for texts in read_blocks(path, "text"):
        in_block = rows[(rows >= first) & (rows < first + len(texts))] - first
        first += len(texts)
        for text in texts.take(pa.array(in_block)).to_pylist():
            yield text.lower() if lower else text
