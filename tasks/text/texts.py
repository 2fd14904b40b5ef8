"""Reads the texts of a round for training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tasks.folds import read_round
from tasks.learning.examples import Examples, Parts, divide_examples
from tasks.learning.ragged import Ragged, open_ragged
from tasks.text.tokens import COPIES, read_vocabulary


def read_texts(tokens: Path, folds: Path, fold: int) -> Parts:
    """Return the parts of the round that holds out `fold`: word numbers, memory-mapped, and labels.

    Translated copies of training texts follow the texts of the clean table and belong to the training part.
    """
    parts = divide_examples(_open(tokens), folds, read_round(folds, fold))
    if not (tokens / COPIES).exists():
        return parts
    copied = torch.from_numpy(np.load(tokens / COPIES, allow_pickle=False))
    train, first = parts.train, len(parts.train.labels)
    labels = torch.cat([train.labels, train.labels[copied]])
    rows = torch.cat([train.rows, torch.arange(first, first + len(copied))])
    return replace(parts, train=replace(train, labels=labels, rows=rows))


def list_running_texts(tokens: Path, folds: Path, fold: int) -> list[tuple[str, Examples]]:
    """Return the texts of each part, by its name, that have two words or more, so that a word has a next word."""
    texts = _open(tokens)
    parts = divide_examples(texts, folds, read_round(folds, fold))
    named = [("train", parts.train), ("valid", parts.valid), ("test", parts.test)]
    is_long = texts.lengths > 1
    return [(name, replace(part, rows=part.rows[is_long[part.rows]])) for name, part in named if part is not None]


def _open(tokens: Path) -> Ragged:
    return open_ragged(tokens, n_values=len(read_vocabulary(tokens)))
