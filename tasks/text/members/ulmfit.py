"""A classifier on a language model's encoder (Howard and Ruder 2018, "Universal Language Model Fine-tuning")."""

import torch
from torch import Tensor, nn

from tasks.learning.weights import start_from
from tasks.text.encoder import Encoder
from tasks.text.layers import take_largest, take_last, take_mean
from tasks.text.member import Member

HEAD = ("head.",)
HIDDEN = 50  # of the head, as in the paper


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Build the network for texts of `input_shape` (words in the vocabulary,)."""
    network = Ulmfit(member, n_classes, input_shape[0])
    start_from(network, member.own_weights, head=HEAD)
    return network


class Ulmfit(nn.Module):
    """Maps word numbers (batch, longest) to logits (batch, classes), by two layers on last, largest and mean state."""

    def __init__(self, member: Member, n_classes: int, n_words: int) -> None:
        super().__init__()
        self.encoder = Encoder(member, n_words)
        n_inputs = 3 * self.encoder.size
        self.head = nn.Sequential(
            nn.LayerNorm(n_inputs),  # not the paper's batch normalisation, which makes an output depend on the batch
            *(nn.Dropout(member.dropout), nn.Linear(n_inputs, HIDDEN), nn.ReLU()),
            *(nn.Dropout(member.dropout), nn.Linear(HIDDEN, n_classes)),
        )

    def forward(self, words: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        states = self.encoder(words)
        pooled = [take_last(states, words), take_largest(states, words), take_mean(states, words)]
        return self.head(torch.cat(pooled, 1))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return head, recurrent layers from the last to the first, and word vectors."""
        layers = [[layer] for layer in self.encoder.layers]
        return [[self.head], *reversed(layers), [self.encoder.vectors]]
