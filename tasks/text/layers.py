"""Layers for rows of word numbers (batch, longest), padded with 1 at the end; padding does not affect their output."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.learning.ragged import PAD

INITIAL_STD = 0.1  # of word vectors; with torch's 1 the random initial values would still dominate after training


class WordVectors(nn.Module):
    """Word numbers (batch, longest) to vectors (batch, longest, size); padding is zeros.

    In training a share of the vectors' numbers is dropped, the same ones in all words of a text (Gal and
    Ghahramani 2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks").
    """

    def __init__(self, n_words: int, size: int, *, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(n_words, size, padding_idx=PAD)
        nn.init.normal_(self.table.weight, std=INITIAL_STD)
        with torch.no_grad():
            self.table.weight[PAD].zero_()
        self.dropout = LockedDropout(dropout)

    def forward(self, words: Tensor) -> Tensor:
        """Return the vectors."""
        return self.dropout(self.table(words))


class LockedDropout(nn.Module):
    """Dropout of vectors (batch, longest, size) that drops the same numbers in all words of a text."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the vectors, unchanged outside training."""
        kept = torch.ones(vectors.size(0), 1, vectors.size(2), device=vectors.device, dtype=vectors.dtype)
        return vectors * F.dropout(kept, self.share, self.training)


def count_words(words: Tensor, pad: int = PAD) -> Tensor:  # TorchScript knows no constants of a module
    """Return the number of words of each text (batch), at least 1, so that a text without words can be classified."""
    return (words != pad).sum(1).clamp(min=1)


def mark_words(words: Tensor) -> Tensor:
    """Return which places hold words, (batch, longest, 1) bool; the first place always counts."""
    places = torch.arange(words.size(1), device=words.device)
    return (places < count_words(words).unsqueeze(1)).unsqueeze(2)


def take_last(states: Tensor, words: Tensor) -> Tensor:
    """Return the states (batch, size) at the last word of each text."""
    last = (count_words(words) - 1).view(-1, 1, 1).expand(-1, 1, states.size(2))
    return states.gather(1, last).squeeze(1)


def take_largest(states: Tensor, words: Tensor) -> Tensor:
    """Return the largest of each number over a text's words: (batch, size)."""
    return states.masked_fill(~mark_words(words), float("-inf")).amax(1)


def take_mean(states: Tensor, words: Tensor) -> Tensor:
    """Return the mean of each number over a text's words: (batch, size)."""
    total = states.masked_fill(~mark_words(words), 0.0).sum(1)
    return total / count_words(words).unsqueeze(1)


def reverse_texts(vectors: Tensor, words: Tensor) -> Tensor:
    """Return the vectors of each text from its last word to its first; padding stays at the end."""
    places = torch.arange(words.size(1), device=words.device)
    back = (count_words(words).unsqueeze(1) - 1 - places).clamp(min=0)
    return vectors.gather(1, back.unsqueeze(2).expand(-1, -1, vectors.size(2)))
