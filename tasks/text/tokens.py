"""Clean texts to token ids, once: one flat array for all of them, with where each begins."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.folds import read_round
from tasks.report import Report
from tasks.text.sections import Tokens

COPIES = "copies.npy"  # the row that each text after the clean table's own is a copy of, (copies) int64


@dataclass(frozen=True)
class TokenTable:
    """The token ids of n texts: `ids` int32, all of them in a row, and `offsets` int64 (n + 1), where each begins."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each text, (n)."""
        return np.diff(self.offsets)


def tokenise(examples: Path, folds: Path, tokens: Tokens, *, fold: int, out: Path, report: Report) -> None:
    """Write `tokens.npy`, `offsets.npy`, `vocabulary.json` and `tokeniser.json` for the round that holds out `fold`.

    Words are counted in the round's training part only: what is not among its `max_words` most frequent is <unk>
    (0); <pad> (1) stands in no text. A text has one token at least. `vocabulary.json` lists the words by id,
    `tokeniser.json` all that `open_encoder` needs to cut a raw text in the same way; byte pairs are in `bpe.model`.
    `examples` is the clean table or what `translate_texts` made of it, whose `copies.npy` is then handed on.
    """
    from tasks.learning.ragged import PAD, UNK

    train = read_round(folds, fold).train
    wash = json.loads((examples / "clean.json").read_text())
    told = {"unk": UNK, "pad": PAD, "wash": wash} | tokens.model_dump()
    (out / "tokeniser.json").write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")
    if (copies := examples / COPIES).exists():
        shutil.copyfile(copies, out / COPIES)
    if tokens.tokeniser == "bpe":
        from tasks.text.byte_pairs import write_pairs

        write_pairs(examples / "examples.csv", train, tokens, out=out, report=report)
    else:
        from tasks.text.words import write_words

        write_words(examples / "examples.csv", train, tokens, out=out, report=report)


def open_tokens(folder: Path) -> TokenTable:
    """Open what `tokenise` wrote, read-only and memory-mapped."""
    ids, offsets = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in ("tokens.npy", "offsets.npy"))
    return TokenTable(ids, offsets)


def read_vocabulary(folder: Path) -> list[str]:
    """Return the words by id, <unk> and <pad> first."""
    words: list[str] = json.loads((folder / "vocabulary.json").read_text())
    return words
