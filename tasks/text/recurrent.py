"""Recurrent networks that read a text word by word, once or in both directions."""

import torch
from torch import Tensor, nn

from tasks.learning.weights import start_from
from tasks.text.layers import WordVectors, reverse_texts, take_largest, take_last, take_mean
from tasks.text.member import Member

OWN_WIDTH, OWN_EMBEDDING = 100, 300  # the book's chapter 5
HEAD = ("head.",)

Cell = type[nn.LSTM] | type[nn.GRU]


def build_recurrent(
    cell: Cell, member: Member, n_classes: int, n_words: int, *, both_ways: bool, pool: bool
) -> nn.Module:
    """Build a network of LSTM or GRU cells with the member's sizes of word vectors and states."""
    network = Recurrent(cell, member, n_classes, n_words, both_ways=both_ways, pool=pool)
    start_from(network, member.own_weights, head=HEAD)
    return network


class Recurrent(nn.Module):
    """Word vectors, a recurrent network in one or both directions, and a head on its last states.

    Maps word numbers (batch, longest) to logits (batch, classes). With `pool` the head's input also has the largest
    value and the mean of each state over the text. The backward direction is a network of its own that reads the
    reversed text, so that neither direction begins with padding: the same as packing, which is 1.5 times slower on cpu.
    """

    def __init__(
        self, cell: Cell, member: Member, n_classes: int, n_words: int, *, both_ways: bool, pool: bool
    ) -> None:
        super().__init__()
        size, width = member.embedding or OWN_EMBEDDING, member.width or OWN_WIDTH
        layers = member.layers or 1
        dropout = member.dropout if layers > 1 else 0.0
        self.pool = pool
        self.vectors = WordVectors(n_words, size, dropout=member.embedding_dropout)
        self.directions = nn.ModuleList(
            cell(size, width, layers, batch_first=True, dropout=dropout) for _ in range(1 + both_ways)
        )
        n_inputs = width * len(self.directions) * (3 if pool else 1)
        self.head = nn.Sequential(nn.Dropout(member.dropout), nn.Linear(n_inputs, n_classes))

    def forward(self, words: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        vectors = self.vectors(words)
        pooled: list[Tensor] = []
        for index, direction in enumerate(self.directions):
            states, _ = direction(reverse_texts(vectors, words) if index else vectors)
            pooled.append(take_last(states, words))
            if self.pool:
                pooled += [take_largest(states, words), take_mean(states, words)]
        return self.head(torch.cat(pooled, 1))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return head, recurrent layers, and word vectors."""
        return [[self.head], [self.directions], [self.vectors]]
