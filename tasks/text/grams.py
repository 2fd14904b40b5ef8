"""A text's words and pairs of neighbouring words as buckets, and the network that adds up their weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.learning.ragged import PAD
from tasks.text.sections import Ngrams

PAIR_BUCKETS = 2**18  # for pairs of words; 20,000 tweets with a vocabulary of 20,000 words have some 150,000 pairs


def build(ngrams: Ngrams, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Build the network for texts of `input_shape` (words in the vocabulary,); its weights are zeros."""
    return GramNetwork(input_shape[0], n_classes)


class GramNetwork(nn.Module):
    """Maps word numbers (batch, longest) to logits (batch, classes): the sum of the weights of the text's buckets."""

    table: Tensor
    bias: Tensor

    def __init__(self, n_words: int, n_classes: int) -> None:
        super().__init__()
        self.n_words, self.pad_id = n_words, PAD
        self.register_buffer("table", torch.zeros(n_words + PAIR_BUCKETS, n_classes))
        self.register_buffer("bias", torch.zeros(n_classes))

    def forward(self, words: Tensor) -> Tensor:
        """Return logits."""
        grams = list_grams(words, self.n_words)
        return F.embedding_bag(grams, self.table, mode="sum", padding_idx=self.pad_id) + self.bias


def list_grams(words: Tensor, n_words: int, pad: int = PAD) -> Tensor:
    """Return the buckets of each text's words and pairs of neighbours, each once: (batch, 2 longest + 1) int64.

    The bucket of a word is its number; the buckets of pairs follow. Repeated buckets and padding become bucket 1.
    """
    grams = torch.cat([words, hash_pairs(pair_words(words), n_words)], 1).sort(1).values
    is_repeated = F.pad(grams[:, 1:] == grams[:, :-1], [1, 0])
    return grams.masked_fill(is_repeated, pad)


def pair_words(words: Tensor, pad: int = PAD) -> Tensor:
    """Return each word with the one after it, (2, batch, longest + 1); padding marks a text's start and end."""
    edge = torch.full([words.size(0), 1], pad, dtype=words.dtype, device=words.device)
    return torch.stack([torch.cat([edge, words], 1), torch.cat([words, edge], 1)])


def hash_pairs(pairs: Tensor, n_words: int, pad: int = PAD, pair_buckets: int = PAIR_BUCKETS) -> Tensor:
    """Return the bucket of each pair (2, ...), from `n_words` on; two paddings have bucket 1."""
    first, second = pairs[0], pairs[1]
    mixed = (first * 2654435761 + second * 40503) >> 7
    return torch.where((first == pad) & (second == pad), pad, n_words + mixed % pair_buckets)
