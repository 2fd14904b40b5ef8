"""A classifier on the network of a local Hugging Face folder."""

import torch
from torch import Tensor, nn

from tasks.text.layers import mark_words, take_mean
from tasks.text.model_folder import open_body
from tasks.text.subwords import SPECIAL


class SubwordNetwork(nn.Module):
    """Token numbers (batch, longest) as `write_subwords` writes them to logits (batch, classes).

    The head sees the mean of the last layer's states over a text's tokens, which every kind of transformer has.
    """

    def __init__(self, folder: str, n_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.body = open_body(folder)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.body.config.hidden_size, n_classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits."""
        there = mark_words(tokens).squeeze(2)
        # What the body is given for padding is masked, but some count places by it.
        own = torch.where(tokens < len(SPECIAL), self.body.config.pad_token_id or 0, tokens - len(SPECIAL))
        states = self.body(input_ids=own, attention_mask=there.long()).last_hidden_state
        return self.head(take_mean(states, tokens))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the head, and the body, which learns slower."""
        return [[self.head], [self.body]]
