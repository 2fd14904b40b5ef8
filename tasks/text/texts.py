"""The texts of a round, as training reads them."""

from dataclasses import replace
from pathlib import Path

from tasks.folds import read_round
from tasks.learning.examples import Examples, Parts, divide_examples
from tasks.learning.ragged import Ragged, open_ragged
from tasks.text.tokens import read_vocabulary


def read_texts(tokens: Path, folds: Path, fold: int) -> Parts:
    """Return the parts of the round that holds out `fold`: word numbers, memory-mapped, and labels."""
    return divide_examples(_open(tokens), folds, read_round(folds, fold))


def list_running_texts(tokens: Path, folds: Path, fold: int) -> list[tuple[str, Examples]]:
    """Return the texts of two words or more of each part, by its name; in others no word follows another."""
    texts = _open(tokens)
    parts = divide_examples(texts, folds, read_round(folds, fold))
    named = [("train", parts.train), ("valid", parts.valid), ("test", parts.test)]
    runs = texts.lengths > 1
    return [(name, replace(part, rows=part.rows[runs[part.rows]])) for name, part in named if part is not None]


def _open(tokens: Path) -> Ragged:
    return open_ragged(tokens, n_values=len(read_vocabulary(tokens)))
