"""Clean texts to the numbers of a model's own tokens, as its folder's tokenizer cuts them."""

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

SPECIAL = ["<unk>", "<pad>"]  # as in every vocabulary here, 1 stands behind shorter texts; the model's own come after
LONGEST = 128  # tokens; tweets have fewer, and attention costs their square


def write_subwords(path: Path, folder: str, *, out: Path, report: Report) -> None:
    """Write `tokens.npy`, `offsets.npy` and `vocabulary.json` of the texts in a table.

    A token's number is the model's own and 2 more. Of a text that has over 128 tokens, or more than the model reads,
    the first ones stay.
    """
    tokenizer = open_tokenizer(folder)
    cut = [_tokenise_block(texts, tokenizer) for texts in read_blocks(path, "text")]
    lengths = np.array([len(ids) for block in cut for ids in block], np.int64)
    np.save(out / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]))
    blocks = (np.fromiter(chain.from_iterable(block), np.int32) + len(SPECIAL) for block in cut)
    write_features(out, blocks, shape=(int(lengths.sum()),), dtype=np.int32, name="tokens.npy")
    own = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    (out / "vocabulary.json").write_text(json.dumps([*SPECIAL, *own], ensure_ascii=False, indent=0) + "\n")
    report.say(f"{len(own)} tokens are known, {lengths.mean():.1f} a tweet.")


def _tokenise_block(texts: pa.StringArray, tokenizer: Any) -> list[list[int]]:
    """Return the model's own ids of each text."""
    longest = min(LONGEST, tokenizer.model_max_length)
    ids: list[list[int]] = tokenizer(texts.to_pylist(), truncation=True, max_length=longest)["input_ids"]
    return ids
