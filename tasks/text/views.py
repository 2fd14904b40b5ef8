"""What a network in training is shown of texts."""

import torch
from torch import Tensor

from tasks.learning.ragged import PAD, UNK
from tasks.learning.views import Alter
from tasks.text.altered import Alteration
from tasks.text.member import Reader


def keep_numbers(words: Tensor) -> Tensor:
    """Return word numbers as they are."""
    return words


def alter_with(reader: Reader, alteration: Alteration | None = None) -> Alter:
    """Return what is done to a batch (batch, longest): the `alteration`, then a share of the words becomes unknown."""

    def alter(words: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if alteration is not None:
            words = alteration(words, generator)
        return drop_words(words, generator, share=reader.word_dropout), targets

    return alter


def drop_words(words: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    """Replace each word with `<unk>` by chance, never padding: the network learns not to lean on one word."""
    if share == 0:
        return words
    drawn = torch.rand(words.shape, generator=generator).to(words.device)
    return words.masked_fill((drawn < share) & (words != PAD), UNK)
