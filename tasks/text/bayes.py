"""Naive Bayes ratios of words and pairs of words, and a linear layer weighted by them."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.learning.examples import Examples
from tasks.learning.ragged import PAD

PAIR_BUCKETS = 2**18  # for pairs of words; 20,000 tweets with a vocabulary of 20,000 words have some 150,000 pairs
BATCH = 1024


def list_grams(words: Tensor, n_words: int, pad: int = PAD, pair_buckets: int = PAIR_BUCKETS) -> Tensor:
    """Return the buckets of each text's words and pairs of neighbours, each once: (batch, 2 longest - 1) int64.

    The bucket of a word is its number; the buckets of pairs follow. Repeated grams and padding become bucket 1.
    """
    first, second = words[:, :-1], words[:, 1:]
    mixed = (first * 2654435761 + second * 40503) >> 7
    pairs = torch.where(second == pad, pad, n_words + mixed % pair_buckets)
    grams = torch.cat([words, pairs], 1).sort(1).values
    is_repeated = F.pad(grams[:, 1:] == grams[:, :-1], [1, 0])
    return grams.masked_fill(is_repeated, pad)


class WeightedBag(nn.EmbeddingBag):
    """A linear layer on the buckets of a text, weighted by naive Bayes.

    Maps buckets (batch, n) to logits (batch, classes), the sum of w r, where r is the logarithm of the ratio of the
    bucket's frequency in texts of the class to that in other texts. With equal w it is naive Bayes.
    Wang and Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification".
    """

    ratio: Tensor

    def __init__(self, n_buckets: int, n_classes: int) -> None:
        super().__init__(n_buckets, n_classes, mode="sum", padding_idx=PAD)
        nn.init.zeros_(self.weight)
        self.register_buffer("ratio", torch.zeros(n_buckets, n_classes))

    def forward(self, grams: Tensor) -> Tensor:  # type: ignore[override]
        """Return logits."""
        return F.embedding_bag(grams, self.weight * self.ratio, mode="sum", padding_idx=self.padding_idx)

    def measure(self, counts: Tensor, texts: Tensor) -> None:
        """Set the ratios, given the number of texts of each class, with each bucket and in all (`texts`, (classes))."""
        rest = counts.sum(1, keepdim=True) - counts
        own = (counts + 1) / (texts + 2)
        others = (rest + 1) / (texts.sum() - texts + 2)
        self.ratio.copy_((own / others).log())
        self.ratio[PAD].zero_()


def count_grams(train: Examples, n_words: int, n_classes: int) -> tuple[Tensor, Tensor]:
    """Return the number of texts of each class with each bucket (buckets, classes), and of texts (classes)."""
    counts = torch.zeros(n_words + PAIR_BUCKETS, n_classes)
    texts = torch.zeros(n_classes)
    for words, labels in train.batches(BATCH):
        grams = list_grams(words, n_words)
        cells = grams * n_classes + labels.unsqueeze(1)
        counts.view(-1).index_add_(0, cells.flatten(), torch.ones(cells.numel()))
        texts += torch.bincount(labels, minlength=n_classes)
    return counts, texts
