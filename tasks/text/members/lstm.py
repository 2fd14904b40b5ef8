"""The book's network for tweets (chapter 5): an LSTM whose last state tells the class."""

from torch import nn

from tasks.text.member import Member
from tasks.text.recurrent import build_recurrent


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for texts of `input_shape` (words in the vocabulary,)."""
    return build_recurrent(nn.LSTM, member, n_classes, input_shape[0], both_ways=False, pool=False)
