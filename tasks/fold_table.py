"""The columns of a clean table that folds are drawn from: labels, groups, splits and dates, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.columns import read_columns
from tasks.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class FoldTable:
    """The examples, (n) each: label, group (an index into `names`), the data's own fold (0: none), split, date.

    Text stays in Arrow arrays: of a million names only a few are ever printed.
    """

    labels: IntArray
    groups: IntArray
    names: pa.StringArray
    folds: IntArray
    splits: pa.DictionaryArray | None
    dates: pa.ChunkedArray | None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray) -> FoldTable:
        """Return some of the examples, with only the names of their groups and without dates."""
        kept, groups = np.unique(self.groups[rows], return_inverse=True)
        return FoldTable(self.labels[rows], groups, self.names.take(kept), self.folds[rows], None, None)

    def name_groups(self, groups: IntArray) -> list[str]:
        """Return the names of some groups."""
        names: list[str] = self.names.take(groups).to_pylist()
        return names

    def list_splits(self) -> set[str]:
        """Return the names of the source's own splits."""
        return set() if self.splits is None else set(self.splits.dictionary.to_pylist())

    def find_split(self, split: str) -> IntArray:
        """Return the rows of a split of the source."""
        if self.splits is None:
            return np.zeros(0, np.int64)
        place = self.splits.dictionary.to_pylist().index(split)
        return np.flatnonzero(self.splits.indices.to_numpy() == place)


def read_numbers(path: Path, column: str) -> IntArray:
    """Return a column of whole numbers of a CSV file, (n)."""
    return _to_numbers(read_columns(path, [column])[column])


def read_table(path: Path) -> FoldTable:
    """Return the columns of `examples.csv` that folds are drawn from; raises UserError when one is missing."""
    columns = read_columns(path, ["label", "group", "fold"], ["split", "date"])
    coded = columns["group"].combine_chunks().dictionary_encode()
    return FoldTable(
        labels=_to_numbers(columns["label"]),
        groups=coded.indices.to_numpy().astype(np.int64),
        names=coded.dictionary,
        folds=_to_numbers(columns["fold"]),
        splits=columns["split"].combine_chunks().dictionary_encode() if "split" in columns.column_names else None,
        dates=columns["date"] if "date" in columns.column_names else None,
    )


def _to_numbers(column: pa.ChunkedArray) -> IntArray:
    """Return a text column as whole numbers, 0 for empty text, (n)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers: IntArray = pc.if_else(pc.equal(column, ""), "0", column).cast(pa.int64()).to_numpy()
    return numbers


def read_dates(table: FoldTable) -> IntArray:
    """Return seconds since 1970, (n); raises UserError when an example has no date."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if table.dates is None:
        raise UserError(
            "folds.mode is date, but the clean table has no column date: set folds.mode to holdout or cross_validation."
        )
    undated = pc.equal(table.dates, "")
    missing = pc.sum(undated).as_py() or 0
    if missing:
        raise UserError(
            f"folds.mode is date, but {missing} examples have no date: set folds.mode to holdout or cross_validation."
        )
    seconds: IntArray = table.dates.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy()
    return seconds
