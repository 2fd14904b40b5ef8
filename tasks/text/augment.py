"""Augmentation of token sequences by EDA: deletion, swap, insertion and replacement by synonyms.

Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques". A batch is a TokenTable. Inputs are never modified, and no
text becomes empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.section import Section
from tasks.text.tokens import TokenTable

if TYPE_CHECKING:
    from tasks.text.synonyms import Synonyms

IntArray = NDArray[np.int64]


NONE, VECTORS = "none", "vectors"


class Augment(Section):
    """How much of a training text is changed, with new random numbers in each epoch; all 0: nothing."""

    delete_share: float = Field(ge=0, le=1, description="chance of each token to be deleted")
    swap_share: float = Field(ge=0, le=1, description="pairs of tokens that change places, per token")
    insert_share: float = Field(
        ge=0, le=1, description="chance of each token to have a synonym inserted at a random place"
    )
    replace_share: float = Field(ge=0, le=1, description="chance of each token to be replaced by a synonym")
    altered_share: float = Field(ge=0, le=1, description="chance of each text to be changed at all")
    synonyms: str = Field(
        min_length=1, description="none, the path of a list, or vectors: the language model's nearest words"
    )
    nearest: int = Field(ge=1, le=100, description="vectors: synonyms of a word, at most")
    least_cosine: float = Field(ge=-1, le=1, description="vectors: words whose vectors differ more are no synonyms")
    seed: int = Field(ge=0, le=2**32 - 1, description="draws all of these")

    @property
    def is_on(self) -> bool:
        """Whether any text is changed."""
        return self.altered_share > 0 and max(self.delete_share, self.swap_share, self.synonym_share) > 0

    @property
    def synonym_share(self) -> float:
        """The larger share of the two that need synonyms."""
        return max(self.insert_share, self.replace_share)

    @property
    def uses_vectors(self) -> bool:
        """Whether the synonyms come from a trained language model."""
        return self.is_on and self.synonym_share > 0 and self.synonyms == VECTORS

    def files(self) -> tuple[str, ...]:
        """Return the list of synonyms, if one is named."""
        return () if self.synonyms in (NONE, VECTORS) else (self.synonyms,)

    @model_validator(mode="after")
    def _check_synonyms(self) -> Self:
        if self.synonym_share and self.synonyms == NONE:
            raise ValueError(
                f"insert_share {self.insert_share:g} and replace_share {self.replace_share:g} need synonyms: name the "
                "path of a list, or vectors, or set both to 0"
            )
        return self


def augment_texts(
    batch: TokenTable, augment: Augment, synonyms: Synonyms | None, generator: np.random.Generator
) -> TokenTable:
    """Return an augmented copy of a batch of training texts; texts that are not drawn stay as they are."""
    drawn = generator.random(len(batch)) < augment.altered_share
    shares = {name: np.where(drawn, getattr(augment, name), 0.0) for name in Augment.model_fields if "_share" in name}
    if synonyms is not None:
        batch = replace_tokens(batch, shares["replace_share"], synonyms, generator)
        batch = insert_tokens(batch, shares["insert_share"], synonyms, generator)
    batch = swap_tokens(batch, shares["swap_share"], generator)
    return delete_tokens(batch, shares["delete_share"], generator)


def delete_tokens(batch: TokenTable, share: NDArray[np.float64], generator: np.random.Generator) -> TokenTable:
    """Delete each token with the chance `share` (texts); a text that would become empty keeps a random token."""
    rows = _list_rows(batch)
    kept = generator.random(len(batch.ids)) >= share[rows]
    spared = batch.offsets[:-1] + (generator.random(len(batch)) * batch.lengths).astype(np.int64)
    emptied = (np.bincount(rows[kept], minlength=len(batch)) == 0) & (batch.lengths > 0)
    kept[spared[emptied]] = True
    return _gather(batch.ids[kept], rows[kept], len(batch))


def swap_tokens(batch: TokenTable, share: NDArray[np.float64], generator: np.random.Generator) -> TokenTable:
    """Swap pairs of tokens, `share` (texts) pairs per token, one pair after another."""
    ids = np.array(batch.ids)
    starts, lengths = batch.offsets[:-1], batch.lengths
    counts = np.where(lengths > 1, np.round(share * lengths), 0)
    for turn in range(int(counts.max(initial=0))):
        rows = np.flatnonzero(counts > turn)
        first = (generator.random(len(rows)) * lengths[rows]).astype(np.int64)
        # A place other than the first: a random distance further, modulo the length.
        second = (first + 1 + (generator.random(len(rows)) * (lengths[rows] - 1)).astype(np.int64)) % lengths[rows]
        left, right = starts[rows] + first, starts[rows] + second
        ids[left], ids[right] = ids[right], ids[left]
    return TokenTable(ids, batch.offsets)


def replace_tokens(
    batch: TokenTable, share: NDArray[np.float64], synonyms: Synonyms, generator: np.random.Generator
) -> TokenTable:
    """Replace each token that has synonyms by a random one with the chance `share` (texts)."""
    drawn = _draw_tokens(batch, share, synonyms, generator)
    ids = np.array(batch.ids)
    ids[drawn] = synonyms.draw(ids[drawn], generator)
    return TokenTable(ids, batch.offsets)


def insert_tokens(
    batch: TokenTable, share: NDArray[np.float64], synonyms: Synonyms, generator: np.random.Generator
) -> TokenTable:
    """For each token that has synonyms, with the chance `share` (texts), insert one at a random place of its text."""
    rows = _list_rows(batch)
    drawn = _draw_tokens(batch, share, synonyms, generator)
    inserted = synonyms.draw(batch.ids[drawn], generator)
    places = np.arange(len(batch.ids)) - batch.offsets[rows] + 1.0
    new_places = generator.random(len(drawn)) * (batch.lengths[rows[drawn]] + 1)
    every_row = np.concatenate([rows, rows[drawn]])
    order = np.lexsort((np.concatenate([places, new_places]), every_row))
    return _gather(np.concatenate([batch.ids, inserted])[order], every_row[order], len(batch))


def _draw_tokens(
    batch: TokenTable, share: NDArray[np.float64], synonyms: Synonyms, generator: np.random.Generator
) -> IntArray:
    """Return the places of tokens drawn among those that have synonyms."""
    drawn = generator.random(len(batch.ids)) < share[_list_rows(batch)]
    return np.flatnonzero(drawn & synonyms.is_known[batch.ids])


def _list_rows(batch: TokenTable) -> IntArray:
    """Return the number of the text that each token belongs to, (tokens)."""
    return np.repeat(np.arange(len(batch)), batch.lengths)


def _gather(ids: NDArray[np.int32], rows: IntArray, n_texts: int) -> TokenTable:
    lengths = np.bincount(rows, minlength=n_texts)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(lengths)]))
