"""Features on disk: an `.npy` file, written block by block and read through a memory map."""

from collections.abc import Iterable
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


def open_features(folder: Path) -> NDArray[Any]:
    """Open a feature stage's `features.npy` as a read-only memory map, (items, ...)."""
    features: NDArray[Any] = np.load(folder / FILE_NAME, mmap_mode="r", allow_pickle=False)
    return features
