"""Mean and standard deviation of each band in the training clips, by which a network normalises its input."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.features import Features, open_features
from tasks.folds import read_round

CHUNK_CLIPS = 16
MIN_STD = 1e-3  # avoids a division by zero for a band that never changes


def measure_bands(features: list[Path], folds: Path, *, fold: int, out: Path) -> None:
    """Write `bands.npy`, float32 (2, n_mels): mean and standard deviation of each band in the training clips.

    Only the round's training part is read, so that nothing leaks from the held-out clips. For waveforms, (clips,
    samples), the shape is (2, 1).
    """
    array = open_features(features)
    rows = read_round(folds, fold).train
    total = square = np.zeros(1)
    for start in range(0, len(rows), CHUNK_CLIPS):
        chunk = _read_chunk(array, rows[start : start + CHUNK_CLIPS])
        total = total + chunk.sum(axis=(0, 2))
        square = square + np.square(chunk).sum(axis=(0, 2))
    count = len(rows) * array.shape[-1]
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean**2, MIN_STD**2))
    np.save(out / "bands.npy", np.stack([mean, std]).astype(np.float32))


def _read_chunk(array: Features, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return clips as (clips, bands, frames), in float64 because sums over millions of values lose digits."""
    chunk = array[rows].astype(np.float64)
    return chunk if chunk.ndim == 3 else chunk[:, None, :]
