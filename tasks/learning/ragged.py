"""Examples of different lengths, stored one after the other in a flat array and padded only within a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tasks.errors import UserError

FLAT, OFFSETS = "tokens.npy", "offsets.npy"
UNK, PAD = 0, 1  # the numbers of an unknown word, and of the padding of shorter rows
POOL_BATCHES = 100  # batches whose examples are sorted by length together; more of them make batches less random


@dataclass(frozen=True)
class Ragged:
    """Rows of whole numbers: `flat`, all rows one after the other (int32), split at `offsets` (rows + 1, int64).

    `n_values` is the number of possible values, such as the size of a vocabulary.
    """

    flat: Tensor
    offsets: Tensor
    n_values: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, and the number of possible values."""
        return len(self), self.n_values

    @property
    def lengths(self) -> Tensor:
        """The length of each row: (rows) int64."""
        return self.offsets.diff()

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return rows as (rows, longest) int64, padded at the end with 1, and at least one column wide."""
        starts, lengths = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        steps = torch.arange(max(1, int(lengths.max())))
        inside = steps < lengths.unsqueeze(1)
        places = (starts.unsqueeze(1) + steps).where(inside, 0)
        return self.flat[places].long().where(inside, PAD)


def open_ragged(folder: Path, *, n_values: int) -> Ragged:
    """Open `tokens.npy` and `offsets.npy`, memory-mapped. Raises UserError when they are empty or do not match."""
    flat, offsets = (
        # Copy on write, because torch warns of read-only arrays; nothing here writes.
        torch.from_numpy(np.load(folder / name, mmap_mode="c", allow_pickle=False))
        for name in (FLAT, OFFSETS)
    )
    if not len(flat) or int(offsets[-1]) != len(flat):
        raise UserError(
            f"{folder.name}: {FLAT} holds {len(flat)} numbers and {OFFSETS} ends at {int(offsets[-1])}; they must be "
            "equal and above 0. Delete the folder and run the flow again."
        )
    return Ragged(flat, offsets, n_values)


def sort_by_length(batches: Sequence[Tensor], lengths: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Exchange positions between batches, so that each holds rows of similar length, and shuffle the batches.

    `batches` are positions in random order, `lengths` (rows) is the length of each row. Each pool of a hundred
    batches is sorted separately, as torchtext's BucketIterator does, so a batch is random except for its lengths.
    """
    sorted_batches: list[Tensor] = []
    for start in range(0, len(batches), POOL_BATCHES):
        pool = batches[start : start + POOL_BATCHES]
        positions = torch.cat(list(pool))
        order = lengths[positions].argsort(stable=True)
        sorted_batches += positions[order].split([len(batch) for batch in pool])
    return [sorted_batches[index] for index in torch.randperm(len(sorted_batches), generator=generator)]
