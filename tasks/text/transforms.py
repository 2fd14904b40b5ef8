"""How a batch of texts is transformed in training."""

import torch
from torch import Tensor

from tasks.learning.ragged import PAD, UNK
from tasks.learning.transforms import AugmentBatch, AugmentInputs
from tasks.text.member import Reader


def keep_numbers(words: Tensor) -> Tensor:
    """Return word numbers as they are."""
    return words


def augment_with(reader: Reader, augment_words: AugmentInputs | None = None) -> AugmentBatch:
    """Return the function that augments a batch (batch, longest): `augment_words`, then word dropout."""

    def augment(words: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if augment_words is not None:
            words = augment_words(words, generator)
        return drop_words(words, generator, share=reader.word_dropout), targets

    return augment


def drop_words(words: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    """Replace each word, but no padding, with `<unk>` with the chance `share`.

    The network then learns not to rely on a single word.
    """
    if share == 0:
        return words
    drawn = torch.rand(words.shape, generator=generator).to(words.device)
    return words.masked_fill((drawn < share) & (words != PAD), UNK)
