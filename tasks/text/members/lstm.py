"""The book's network for tweets (chapter 5): an LSTM that classifies by its last state."""

from torch import nn

from tasks.text.member import Member
from tasks.text.recurrent import build_recurrent


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Build the network for texts of `input_shape` (words in the vocabulary,)."""
    return build_recurrent(nn.LSTM, member, n_classes, input_shape[0], both_ways=False, pool=False)
