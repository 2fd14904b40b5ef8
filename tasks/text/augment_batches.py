"""Augmentation of training texts, batch by batch, just before the network reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tasks.errors import UserError
from tasks.learning.ragged import PAD, Ragged
from tasks.learning.transforms import AugmentInputs
from tasks.text.augment import VECTORS, Augment, augment_texts
from tasks.text.synonyms import Synonyms, find_synonyms, read_synonyms
from tasks.text.tokens import TokenTable, read_vocabulary

LARGEST_SEED = 2**31


def make_augment(augment: Augment, tokens: Path, language: Path | None) -> AugmentInputs | None:
    """Return the function that augments a batch of word numbers (batch, longest), or None if augmentation is off.

    `language` is the folder of the round's language model; with synonyms `vectors` they are the nearest word vectors.
    """
    if not augment.is_on:
        return None
    synonyms = _open_synonyms(augment, tokens, language) if augment.synonym_share else None

    def augment_words(words: Tensor, generator: torch.Generator) -> Tensor:
        drawn = int(torch.randint(LARGEST_SEED, (), generator=generator))
        augmented = augment_texts(to_table(words), augment, synonyms, np.random.default_rng((augment.seed, drawn)))
        return pad_table(augmented).to(words.device)

    return augment_words


def to_table(words: Tensor) -> TokenTable:
    """Return a padded batch (batch, longest) as a table of its words, without padding."""
    array = words.cpu().numpy()
    is_word = array != PAD
    return TokenTable(array[is_word].astype(np.int32), np.concatenate([[0], is_word.sum(1).cumsum()]).astype(np.int64))


def pad_table(table: TokenTable) -> Tensor:
    """Return texts as a padded batch (texts, longest) int64."""
    ragged = Ragged(torch.from_numpy(table.ids), torch.from_numpy(table.offsets), n_values=0)
    return ragged[torch.arange(len(table))]


def _open_synonyms(augment: Augment, tokens: Path, language: Path | None) -> Synonyms:
    if augment.synonyms != VECTORS:
        return read_synonyms(Path(augment.synonyms), read_vocabulary(tokens))
    from tasks.text.language import read_encoder

    if language is None:
        raise UserError(
            "augment.synonyms is vectors, which needs the round's language model, and there is none: pass `language` "
            "to this stage in the flow, or set augment.synonyms to none or to a list's path."
        )
    vectors = read_encoder(language)["vectors.table.weight"].numpy()
    return find_synonyms(vectors, count=augment.nearest, least_cosine=augment.least_cosine)
