"""The examples of one part of a round, indexed in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tasks.errors import UserError
from tasks.features import Features, open_features
from tasks.folds import Round
from tasks.learning.balance import draw_evenly
from tasks.learning.ragged import Ragged, sort_by_length
from tasks.tables import read_rows


@dataclass(frozen=True)
class Stored:
    """Features (n, ...) on disk, from which tensors are read."""

    features: Features

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of examples, and shape of each."""
        return self.features.shape

    def __getitem__(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(self.features[rows.numpy()])


@dataclass(frozen=True)
class Examples:
    """The chosen `rows` of two arrays: features (n, ...) of any type, on disk or ragged, and labels (n) int64."""

    features: Tensor | Stored | Ragged
    labels: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def fetch(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return features, as stored on disk (ragged ones padded), and labels of the examples at `positions`."""
        rows = self.rows[positions]
        return self.features[rows], self.labels[rows]

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every example once, in the order of `list_batches`."""
        for positions in self.list_batches(batch_size):
            yield self.fetch(positions)

    def list_batches(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return the positions of each batch: in order, or ragged ones from the shortest to the longest."""
        order = torch.arange(len(self))
        if isinstance(self.features, Ragged):
            order = self.features.lengths[self.rows].argsort(stable=True)
        return order.split(batch_size)

    def shuffled(
        self, batch_size: int, generator: torch.Generator, *, evenly: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every example once, in random order, in batches whose sizes differ by at most one.

        So no batch is too small for batch normalisation. Ragged examples come in batches of similar length. With
        `evenly` as many examples are drawn, of every class equally often (`draw_evenly`).
        """
        order = (
            draw_evenly(self.labels[self.rows], generator) if evenly else torch.randperm(len(self), generator=generator)
        )
        batches: Sequence[Tensor] = order.tensor_split(self.count_batches(batch_size))
        if isinstance(self.features, Ragged):
            batches = sort_by_length(batches, self.features.lengths[self.rows], generator)
        for positions in batches:
            yield self.fetch(positions)

    def count_batches(self, batch_size: int) -> int:
        """Return the number of batches of one epoch; an odd number in pairs has a batch of 3 instead of one of 1."""
        return max(1, min(-(-len(self) // batch_size), len(self) // 2))


@dataclass(frozen=True)
class Parts:
    """The three parts of a round; valid is None in rounds without a valid part."""

    train: Examples
    valid: Examples | None
    test: Examples


def read_examples(features: Sequence[Path], folds: Path, rows: Round) -> Parts:
    """Return the parts of a round, their features memory-mapped, so that only a batch at a time is in memory."""
    return divide_examples(Stored(open_features(features)), folds, rows)


def divide_examples(features: Tensor | Stored | Ragged, folds: Path, rows: Round) -> Parts:
    """Return the parts of a round; the labels are read from `folds`."""
    labels = torch.tensor([int(row["label"]) for row in read_rows(folds / "folds.csv", ["label"])])
    train, valid, test = (
        Examples(features, labels, torch.from_numpy(part)) for part in (rows.train, rows.valid, rows.test)
    )
    return Parts(train, valid if len(valid) else None, test)


def check_batch_size(examples: Examples, batch_size: int) -> None:
    """Raise UserError when a batch would be larger than the part that it is drawn from."""
    if batch_size > len(examples):
        raise UserError(
            f"batch_size is {batch_size}, but the training part has only {len(examples)} examples: "
            f"set batch_size to {len(examples)} or less"
        )
