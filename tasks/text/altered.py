"""Batches of training texts altered on their way to the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tasks.errors import UserError
from tasks.learning.ragged import PAD, Ragged
from tasks.text.augment import VECTORS, Augment, augment_texts
from tasks.text.synonyms import Synonyms, find_synonyms, read_synonyms
from tasks.text.tokens import TokenTable, read_vocabulary

Alteration = Callable[[Tensor, torch.Generator], Tensor]
LARGEST_SEED = 2**31


def open_alteration(augment: Augment, tokens: Path, language: Path | None) -> Alteration | None:
    """Return what alters a batch of word numbers (batch, longest), or None where the section asks for nothing.

    `language` is the round's language model, whose vectors give the synonyms where they are asked for.
    """
    if not augment.is_on:
        return None
    synonyms = _open_synonyms(augment, tokens, language) if augment.synonym_share else None

    def alter(words: Tensor, generator: torch.Generator) -> Tensor:
        drawn = int(torch.randint(LARGEST_SEED, (), generator=generator))
        altered = augment_texts(to_table(words), augment, synonyms, np.random.default_rng((augment.seed, drawn)))
        return pad_table(altered).to(words.device)

    return alter


def to_table(words: Tensor) -> TokenTable:
    """Return a padded batch (batch, longest) as its words in a row."""
    array = words.cpu().numpy()
    there = array != PAD
    return TokenTable(array[there].astype(np.int32), np.concatenate([[0], there.sum(1).cumsum()]).astype(np.int64))


def pad_table(table: TokenTable) -> Tensor:
    """Return texts as a padded batch (texts, longest) int64."""
    ragged = Ragged(torch.from_numpy(table.ids), torch.from_numpy(table.offsets), n_values=0)
    return ragged[torch.arange(len(table))]


def _open_synonyms(augment: Augment, tokens: Path, language: Path | None) -> Synonyms:
    if augment.synonyms != VECTORS:
        return read_synonyms(Path(augment.synonyms), read_vocabulary(tokens))
    from tasks.learning.weights import read_state_dict
    from tasks.text.language import FILE

    if language is None:
        raise UserError("augment.synonyms vectors needs the round's language model; hand it on in the flow")
    vectors = read_state_dict(language / FILE)["vectors.table.weight"].numpy()
    return find_synonyms(vectors, count=augment.nearest, least_cosine=augment.least_cosine)
