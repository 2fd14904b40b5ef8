"""The exported ensemble: a module that maps word numbers to probabilities."""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.learning.ragged import PAD, UNK
from tasks.learning.script import Assembled, Classifier, View, Voter
from tasks.text.member import Member
from tasks.text.tokens import read_vocabulary
from tasks.text.vocabulary import copy_settings, join_vocabularies

EXAMPLE_SHAPE = (2, 12)


class Renumber(nn.Module):
    """Maps word numbers of the exported vocabulary to those of a round; words unknown to the round become <unk>."""

    numbers: Tensor

    def __init__(self, words: list[str], of_round: list[str]) -> None:
        super().__init__()
        known = {word: number for number, word in enumerate(of_round)}
        self.register_buffer("numbers", torch.tensor([known.get(word, UNK) for word in words]))

    def forward(self, words: Tensor) -> Tensor:
        """Return word numbers (batch, longest) int64."""
        return self.numbers[words]


class TextClassifier(Classifier):
    """Maps word numbers (batch, longest) int64, padded at the end with `pad_id`, to probabilities (batch, classes).

    `vocabulary.json` beside the file lists the words by number.
    """

    def __init__(self, views: list[View], labels: list[str], n_words: int) -> None:
        super().__init__(views, labels)
        self.n_words = n_words
        self.pad_id = PAD


def assemble(voters: list[Voter[Member]], labels: list[str], *, tokens: list[Path]) -> Assembled:
    """Return the mean over the rounds of their ensembles, in evaluation mode, with `vocabulary.json` beside it.

    Its input are word numbers (batch, longest) int64; its attributes `n_words` and `pad_id` are the size of the
    vocabulary and the padding of shorter texts.

    `tokens` are the word numbers of the rounds, in the order of the folds that they hold out.
    """
    files = copy_settings(tokens)
    vocabularies = [read_vocabulary(folder) for folder in tokens]
    words = join_vocabularies(vocabularies)
    folds = sorted({voter.fit.fold for voter in voters})
    views = []
    for fold, of_round in zip(folds, vocabularies, strict=True):
        chosen = [voter for voter in voters if voter.fit.fold == fold]
        renumber = nn.Identity() if of_round == words else Renumber(words, of_round)
        views.append(View(renumber, [voter.network for voter in chosen], [voter.share for voter in chosen]))
    model = TextClassifier(views, labels, len(words)).eval()
    files["vocabulary.json"] = (json.dumps(words, indent=0) + "\n").encode()
    return Assembled(model, draw_example(len(words)), {"n_words": model.n_words, "pad_id": model.pad_id}, files)


def draw_example(n_words: int) -> NDArray[np.int64]:
    """Return two made-up texts; the second is shorter, so it has padding, and has an unknown word."""
    count, longest = EXAMPLE_SHAPE
    texts = 2 + np.arange(count * longest).reshape(EXAMPLE_SHAPE) * 7 % max(1, n_words - 2)
    texts[1, 1], texts[1, 4:] = UNK, PAD
    return texts.clip(max=n_words - 1).astype(np.int64)
