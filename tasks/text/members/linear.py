"""A linear network on words and pairs of words, weighted by naive Bayes: fast, and hard to beat on short texts."""

import torch
from torch import Tensor, nn

from tasks.learning.examples import Examples
from tasks.text.bayes import PAIR_BUCKETS, WeightedBag, count_grams, list_grams
from tasks.text.member import Member


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Build the network for texts of `input_shape` (words in the vocabulary,)."""
    member.require(width=0, embedding=0, layers=0, embedding_dropout=0, weights="none")
    return Linear(input_shape[0], n_classes, dropout=member.dropout)


class Linear(nn.Module):
    """Maps word numbers (batch, longest) to logits (batch, classes); in training a share of the n-grams is dropped."""

    def __init__(self, n_words: int, n_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.n_words, self.n_classes, self.dropout = n_words, n_classes, dropout
        self.bag = WeightedBag(n_words + PAIR_BUCKETS, n_classes)
        self.bias = nn.Parameter(torch.zeros(n_classes))

    def forward(self, words: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        grams = list_grams(words, self.n_words)
        if self.training:
            grams = grams.masked_fill(torch.rand(grams.shape, device=grams.device) < self.dropout, 1)
        return self.bag(grams) + self.bias

    def measure(self, train: Examples) -> None:
        """Set the naive Bayes ratios from the training part."""
        self.bag.measure(*count_grams(train, self.n_words, self.n_classes))
