"""Every clip's log-mel spectrogram, computed once and kept on disk."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.audio.decode import list_clips, read_batches
from tasks.audio.sections import Spectrogram
from tasks.features import write_features
from tasks.machine import count_cores
from tasks.report import Report

__all__ = ["Spectrogram", "precompute_spectrograms"]

BATCH_CLIPS = 16


def precompute_spectrograms(archive: Path, clips: Path, spectrogram: Spectrogram, *, out: Path, report: Report) -> None:
    """Write `features.npy`, float16 (clips, n_mels, frames) in decibels, and the settings as `front_end.json`.

    `archive` is the unpacked archive, `clips` the clean table. Raises UserError when a file cannot be read or
    the disk is full.
    """
    paths = list_clips(archive, clips)
    shape = (len(paths), spectrogram.n_mels, spectrogram.n_frames)
    write_features(out, shape, np.float16, _compute_blocks(paths, spectrogram, report))
    (out / "front_end.json").write_text(json.dumps(spectrogram.model_dump(), indent=2, sort_keys=True) + "\n")


def _compute_blocks(paths: list[Path], spectrogram: Spectrogram, report: Report) -> Iterator[NDArray[np.float16]]:
    import torch

    from tasks.audio.front_end import LogMel

    front_end, done = LogMel(spectrogram).eval(), 0
    for waveforms in read_batches(paths, spectrogram, batch_size=BATCH_CLIPS, workers=count_cores()):
        with torch.inference_mode():
            block = front_end(torch.from_numpy(waveforms)).to(torch.float16).numpy()
        yield block
        done += len(block)
        report.progress(done, len(paths), "clips")
