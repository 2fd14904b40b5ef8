"""A classifier on top of the network of a local Hugging Face folder."""

import torch
from torch import Tensor, nn

from tasks.text.layers import mark_words, take_mean
from tasks.text.model_folder import open_body
from tasks.text.subwords import SPECIAL


class SubwordNetwork(nn.Module):
    """Maps token numbers (batch, longest) of `write_subwords` to logits (batch, classes).

    The input of the head is the mean of the last layer's states over a text's tokens, which every transformer has.
    """

    def __init__(self, folder: str, n_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.body = open_body(folder)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.body.config.hidden_size, n_classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits."""
        is_token = mark_words(tokens).squeeze(2)
        # Padding is masked, but some transformers derive token positions from its id.
        ids = torch.where(tokens < len(SPECIAL), self.body.config.pad_token_id or 0, tokens - len(SPECIAL))
        states = self.body(input_ids=ids, attention_mask=is_token.long()).last_hidden_state
        return self.head(take_mean(states, tokens))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the head, and the body, which has a lower learning rate."""
        return [[self.head], [self.body]]
