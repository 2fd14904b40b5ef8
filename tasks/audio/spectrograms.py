"""Compute every clip's log-mel spectrogram once, and store the spectrograms on disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.audio.decode import Samples, Source, make_reader
from tasks.audio.sections import Spectrogram, write_front_end
from tasks.features import write_features
from tasks.files import File
from tasks.parallel import map_cores
from tasks.report import Report
from tasks.shard_tables import read_kept

BLOCK = 8  # clips computed at once

__all__ = ["Spectrogram", "precompute_spectrograms"]


def precompute_spectrograms(
    shard: Path, kept: Path, spectrogram: Spectrogram, *, trim_db: float = 0.0, out: Path, report: Report
) -> None:
    """Write `features.npy`, float16 (clips, n_mels, frames) in decibels, and the settings as `front_end.json`.

    `kept` is the clean stage's table of the shard's usable sounds, `trim_db` says how silent ends are cut. Raises
    UserError when a file cannot be read or the disk is full.
    """
    files = read_kept(shard, kept)
    shape = (len(files), spectrogram.n_mels, spectrogram.n_frames)
    read = make_reader(spectrogram, trim_db)
    write_features(out, _compute_blocks(files, spectrogram, read, report), shape=shape, dtype=np.float16)
    write_front_end(out, spectrogram, trim_db)


def _compute_blocks(
    files: list[File], spectrogram: Spectrogram, read: Callable[[Source], Samples], report: Report
) -> Iterator[NDArray[np.float16]]:
    """Yield (clips, n_mels, frames), a block of clips at a time, because fewer hand-overs between threads cost less."""
    import torch

    from tasks.audio.front_end import LogMel

    front_end = LogMel(spectrogram).eval()

    def compute(block: tuple[File, ...]) -> NDArray[np.float16]:
        waveforms = torch.from_numpy(np.stack([read(file.open()) for file in block]))
        with torch.inference_mode():
            spectrograms: NDArray[np.float16] = front_end(waveforms).to(torch.float16).numpy()
        return spectrograms

    done = 0
    for computed in map_cores(compute, batched(files, BLOCK)):
        yield computed
        done += len(computed)
        report.progress(done, len(files), "clips")


def batched(items: list[File], size: int) -> Iterator[tuple[File, ...]]:
    """Yield the items in blocks of `size`, the last one smaller (itertools has it from Python 3.12 on)."""
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])
