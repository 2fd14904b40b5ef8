"""Clean texts to the numbers of a transformer's own tokens, by the tokenizer of its folder."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.columns import read_blocks
from tasks.features import write_features
from tasks.report import Report
from tasks.text.model_folder import open_tokenizer

SPECIAL = ["<unk>", "<pad>"]  # as in all vocabularies here, 1 pads shorter texts; the model's own tokens follow
LONGEST = 128  # tokens; tweets have fewer, and the cost of attention grows with the square


def write_subwords(path: Path, folder: str, *, out: Path, report: Report) -> None:
    """Write `tokens.npy`, `offsets.npy` and `vocabulary.json` of the texts in a table.

    A token's number is the model's own number plus 2. A text is truncated to 128 tokens, or to the model's limit.
    """
    tokenizer = open_tokenizer(folder)
    tokenised = [_tokenise_block(texts, tokenizer) for texts in read_blocks(path, "text")]
    lengths = np.array([len(ids) for block in tokenised for ids in block], np.int64)
    np.save(out / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]))
    blocks = (np.fromiter(chain.from_iterable(block), np.int32) + len(SPECIAL) for block in tokenised)
    write_features(out, blocks, shape=(int(lengths.sum()),), dtype=np.int32, name="tokens.npy")
    own = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    (out / "vocabulary.json").write_text(json.dumps([*SPECIAL, *own], ensure_ascii=False, indent=0) + "\n")
    report.say(f"The vocabulary has {len(own)} tokens; a tweet has {lengths.mean():.1f} on average.")


def _tokenise_block(texts: pa.StringArray, tokenizer: Any) -> list[list[int]]:
    """Return the model's own ids of each text."""
    longest = min(LONGEST, tokenizer.model_max_length)
    ids: list[list[int]] = tokenizer(texts.to_pylist(), truncation=True, max_length=longest)["input_ids"]
    return ids
