"""Features on disk: an `.npy` file for each shard, written block by block and read through a memory map."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tasks.disk import check_free, name_disk_faults

FILE_NAME = "features.npy"


def write_features(
    folder: Path,
    blocks: Iterable[NDArray[np.generic]],
    *,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    name: str = FILE_NAME,
) -> None:
    """Write `blocks` (consecutive rows of an array of `shape`) as `name`; a block at a time is in memory.

    Written without a memory map, so that a full disk raises an error and does not kill the process.
    Raises UserError when the disk is full.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    needed_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    check_free(folder, needed_bytes)
    with name_disk_faults(folder, needed_bytes), (folder / name).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)


class Features:
    """Arrays (items, ...) in several files, one after the other, read as one array through memory maps."""

    def __init__(self, parts: Sequence[NDArray[Any]]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        self.shape: tuple[int, ...] = (int(self._starts[-1]), *parts[0].shape[1:])
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | NDArray[np.int64]) -> NDArray[Any]:
        """Return one item, or the items of several rows."""
        if len(self._parts) == 1:
            return np.asarray(self._parts[0][rows])
        chosen = np.atleast_1d(np.asarray(rows))
        part_of = np.searchsorted(self._starts, chosen, side="right") - 1
        found = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        for number in np.unique(part_of):
            places = np.flatnonzero(part_of == number)
            found[places] = self._parts[number][chosen[places] - self._starts[number]]
        return found if np.ndim(rows) else found[0]


def open_features(folders: Sequence[Path]) -> Features:
    """Open the `features.npy` of a feature stage of each shard, in the shards' order, as one array (items, ...)."""
    return Features([np.load(folder / FILE_NAME, mmap_mode="r", allow_pickle=False) for folder in folders])
