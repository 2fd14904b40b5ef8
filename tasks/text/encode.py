"""Raw texts to token ids, exactly as the training texts were cut: for prediction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.learning.ragged import PAD, UNK
from tasks.text.sections import Wash
from tasks.text.tokens import read_vocabulary
from tasks.text.wash import to_array, wash_texts

Ids = NDArray[np.int32]


def open_encoder(folder: Path) -> Callable[[Sequence[str]], list[Ids]]:
    """Return the function that washes, cuts and numbers raw texts; any text will do, an empty one is one <unk>.

    They are cut by the tokeniser in a `tokenise` stage's folder to token ids, int32 (tokens) each.
    """
    told = json.loads((folder / "tokeniser.json").read_text())
    wash, lower = Wash.model_validate(told["wash"]), bool(told["lower"])
    number = _number_pairs(folder, lower) if told["tokeniser"] == "bpe" else _number_words(folder, told)

    def encode(texts: Sequence[str]) -> list[Ids]:
        washed = wash_texts(to_array(texts), wash).to_pylist()
        return [np.array(ids, np.int32) for ids in number(washed)]

    return encode


def _number_words(folder: Path, told: dict[str, object]) -> Callable[[list[str]], list[list[int]]]:
    from tasks.text.cutters import cut_all, make_cutter

    known = {word: number for number, word in enumerate(read_vocabulary(folder)) if number not in (UNK, PAD)}
    cut, lower = make_cutter(str(told["tokeniser"])), bool(told["lower"])

    def number(texts: list[str]) -> list[list[int]]:
        cuts = (cut_all(text.split(" "), cut, lower=lower) for text in texts)
        return [[known.get(token, UNK) for some in chunks for token in some] or [UNK] for chunks in cuts]

    return number


def _number_pairs(folder: Path, lower: bool) -> Callable[[list[str]], list[list[int]]]:
    from tasks.text.byte_pairs import encode_pairs, open_pairs

    pairs = open_pairs(folder)
    return lambda texts: encode_pairs(texts, pairs, lower=lower)
