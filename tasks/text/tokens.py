"""Clean texts to token ids: one flat array for all texts, and an array of the offsets at which each begins."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.folds import read_round
from tasks.report import Report
from tasks.text.sections import Tokens

VOCABULARY = "vocabulary.json"
COPIES = "copies.npy"  # copies follow the clean table's own texts; here is the row that each was made from, int64


@dataclass(frozen=True)
class TokenTable:
    """The token ids of n texts: `ids` int32, text after text, and `offsets` int64 (n + 1), where each begins."""

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

    Words are counted in the round's training part only. Those not among its `max_words` most frequent become <unk>
    (0); <pad> (1) is in no text. A text has at least one token. `vocabulary.json` lists the words by id,
    `tokeniser.json` holds the settings with which `open_encoder` tokenises a raw text in the same way, and
    `bpe.model` the byte pairs. `examples` is the clean table, or the output of `translate_texts`, whose
    `copies.npy` is then copied.
    """
    from tasks.learning.ragged import PAD, UNK

    train = read_round(folds, fold).train
    # Exported models hold this file, so its key for the rules of `normalise_texts` keeps its old name.
    rules = {"wash": json.loads((examples / "clean.json").read_text())}
    settings = {"unk": UNK, "pad": PAD} | rules | tokens.model_dump()
    (out / "tokeniser.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    if (copies := examples / COPIES).exists():
        shutil.copyfile(copies, out / COPIES)
    if tokens.tokeniser == "bpe":
        from tasks.text.byte_pairs import write_pairs

        write_pairs(examples / "examples.csv", train, tokens, out=out, report=report)
    else:
        from tasks.text.words import write_words

        write_words(examples / "examples.csv", train, tokens, out=out, report=report)


def open_tokens(folder: Path) -> TokenTable:
    """Open the output of `tokenise`, read-only and memory-mapped."""
    ids, offsets = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in ("tokens.npy", "offsets.npy"))
    return TokenTable(ids, offsets)


def read_vocabulary(folder: Path) -> list[str]:
    """Return the words by id, <unk> and <pad> first."""
    words: list[str] = json.loads((folder / VOCABULARY).read_text())
    return words
