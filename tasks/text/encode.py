"""Raw texts to token ids for prediction, tokenised exactly as the training texts were."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.learning.ragged import PAD, UNK
from tasks.text.normalise import normalise_texts, to_array
from tasks.text.sections import NormaliseText
from tasks.text.tokens import read_vocabulary

Ids = NDArray[np.int32]


def open_encoder(folder: Path) -> Callable[[Sequence[str]], list[Ids]]:
    """Return a function from raw texts to token ids, int32 (tokens) each; an empty text becomes one <unk>.

    `folder` is the output of a `tokenise` stage; its settings say how texts are normalised and tokenised.
    """
    settings = json.loads((folder / "tokeniser.json").read_text())
    rules, lower = NormaliseText.model_validate(settings["wash"]), bool(settings["lower"])
    number = _number_pairs(folder, lower) if settings["tokeniser"] == "bpe" else _number_words(folder, settings)

    def encode(texts: Sequence[str]) -> list[Ids]:
        normalised = normalise_texts(to_array(texts), rules).to_pylist()
        return [np.array(ids, np.int32) for ids in number(normalised)]

    return encode


def _number_words(folder: Path, settings: dict[str, object]) -> Callable[[list[str]], list[list[int]]]:
    from tasks.text.tokenisers import make_tokeniser, tokenise_all

    known = {word: number for number, word in enumerate(read_vocabulary(folder)) if number not in (UNK, PAD)}
    tokenise, lower = make_tokeniser(str(settings["tokeniser"])), bool(settings["lower"])

    def number(texts: list[str]) -> list[list[int]]:
        split = [text.split(" ") for text in texts]
        chunks = list(dict.fromkeys(chain.from_iterable(split)))
        tokens = tokenise_all(chunks, tokenise, lower=lower)
        ids = {
            chunk: [known.get(token, UNK) for token in of_chunk] for chunk, of_chunk in zip(chunks, tokens, strict=True)
        }
        return [[number for chunk in of_text for number in ids[chunk]] or [UNK] for of_text in split]

    return number


def _number_pairs(folder: Path, lower: bool) -> Callable[[list[str]], list[list[int]]]:
    from tasks.text.byte_pairs import encode_pairs, open_pairs

    pairs = open_pairs(folder)
    return lambda texts: encode_pairs(texts, pairs, lower=lower)
