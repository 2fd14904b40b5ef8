"""Examples of many lengths, one after the other in one row of numbers, padded only where a batch needs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tasks.errors import UserError

FLAT, OFFSETS = "tokens.npy", "offsets.npy"
UNK, PAD = 0, 1  # the numbers of what is not known, and of what fills up shorter rows
POOL_BATCHES = 100  # batches whose examples are sorted by length together; more of them leave less to chance


@dataclass(frozen=True)
class Ragged:
    """Rows of whole numbers: `flat`, all of them one after the other (int32), cut at `offsets` (rows + 1, int64).

    `n_values` is how many different numbers there are, such as the words of a vocabulary.
    """

    flat: Tensor
    offsets: Tensor
    n_values: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows there are, and how many values an example may hold."""
        return len(self), self.n_values

    @property
    def lengths(self) -> Tensor:
        """How many numbers each row has: (rows) int64."""
        return self.offsets.diff()

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return rows as (rows, longest) int64, padded at the end with 1; at least one number wide."""
        starts, lengths = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        steps = torch.arange(max(1, int(lengths.max())))
        inside = steps < lengths.unsqueeze(1)
        places = (starts.unsqueeze(1) + steps).where(inside, 0)
        return self.flat[places].long().where(inside, PAD)


def open_ragged(folder: Path, *, n_values: int) -> Ragged:
    """Open `tokens.npy` and `offsets.npy`, memory-mapped. Raises UserError when they hold nothing or do not fit."""
    flat, offsets = (
        # Copy on write: torch warns of arrays that may not be written to, and nothing here writes.
        torch.from_numpy(np.load(folder / name, mmap_mode="c", allow_pickle=False))
        for name in (FLAT, OFFSETS)
    )
    if not len(flat) or int(offsets[-1]) != len(flat):
        raise UserError(
            f"{folder.name}: {FLAT} holds {len(flat)} numbers, {OFFSETS} ends at {int(offsets[-1])}; there must be "
            "some, and as many: make the stage anew"
        )
    return Ragged(flat, offsets, n_values)


def sort_by_length(batches: Sequence[Tensor], lengths: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Exchange positions between batches, so that each holds rows of similar length, and shuffle the batches.

    `batches` are positions in random order, `lengths` (rows) that of each. Each pool of a hundred batches is sorted
    by itself, as torchtext's BucketIterator does: what ends up in one batch stays random but for its length.
    """
    sorted_batches: list[Tensor] = []
    for start in range(0, len(batches), POOL_BATCHES):
        pool = batches[start : start + POOL_BATCHES]
        positions = torch.cat(list(pool))
        order = lengths[positions].argsort(stable=True)
        sorted_batches += positions[order].split([len(batch) for batch in pool])
    return [sorted_batches[index] for index in torch.randperm(len(sorted_batches), generator=generator)]
