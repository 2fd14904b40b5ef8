"""Convolutions over the words of a text (Kim 2014, "Convolutional Neural Networks for Sentence Classification")."""

import torch
from torch import Tensor, nn

from tasks.learning.weights import start_from
from tasks.text.layers import WordVectors, count_words, mark_words
from tasks.text.member import Member

OWN_WIDTH, OWN_EMBEDDING = 100, 300
WINDOWS = (3, 4, 5)
HEAD = ("head.",)


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Build the network for texts of `input_shape` (words in the vocabulary,)."""
    member.require(layers=0)
    network = TextCnn(member, n_classes, input_shape[0])
    start_from(network, member.own_weights, head=HEAD)
    return network


class TextCnn(nn.Module):
    """Maps word numbers (batch, longest) to logits (batch, classes), by convolutions over 3, 4 and 5 words.

    A window may begin before a text and end after it, on zeros, so that a text of one word has windows too. Windows
    that hold only zeros, because other texts of the batch are longer, do not count.
    """

    def __init__(self, member: Member, n_classes: int, n_words: int) -> None:
        super().__init__()
        size, width = member.embedding or OWN_EMBEDDING, member.width or OWN_WIDTH
        self.vectors = WordVectors(n_words, size, dropout=member.embedding_dropout)
        self.windows = nn.ModuleList(nn.Conv1d(size, width, span, padding=span - 1) for span in WINDOWS)
        self.head = nn.Sequential(nn.Dropout(member.dropout), nn.Linear(width * len(WINDOWS), n_classes))

    def forward(self, words: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        vectors = self.vectors(words).masked_fill(~mark_words(words), 0.0).transpose(1, 2)
        largest: list[Tensor] = []
        for window in self.windows:
            maps = torch.relu(window(vectors))
            extra = maps.size(2) - words.size(1)
            ends = (count_words(words) + extra).view(-1, 1, 1)
            inside = torch.arange(maps.size(2), device=words.device) < ends
            largest.append(maps.masked_fill(~inside, 0.0).amax(2))  # ReLU, so no map is below 0
        return self.head(torch.cat(largest, 1))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return head, windows, and word vectors."""
        return [[self.head], [self.windows], [self.vectors]]
