"""Every clip's log-mel spectrogram, computed once and kept on disk."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.audio.decode import list_clips, read_clip
from tasks.audio.sections import Spectrogram
from tasks.features import write_features
from tasks.parallel import map_cores
from tasks.report import Report

__all__ = ["Spectrogram", "precompute_spectrograms"]


def precompute_spectrograms(archive: Path, clips: Path, spectrogram: Spectrogram, *, out: Path, report: Report) -> None:
    """Write `features.npy`, float16 (clips, n_mels, frames) in decibels, and the settings as `front_end.json`.

    `archive` is the unpacked archive, `clips` the clean table. Raises UserError when a file cannot be read or
    the disk is full.
    """
    paths = list_clips(archive, clips)
    shape = (len(paths), spectrogram.n_mels, spectrogram.n_frames)
    write_features(out, _compute_blocks(paths, spectrogram, report), shape=shape, dtype=np.float16)
    (out / "front_end.json").write_text(json.dumps(spectrogram.model_dump(), indent=2, sort_keys=True) + "\n")


def _compute_blocks(paths: list[Path], spectrogram: Spectrogram, report: Report) -> Iterator[NDArray[np.float16]]:
    """Yield (1, n_mels, frames) for each clip; each is computed alone, so that its values depend on nothing else."""
    import torch

    from tasks.audio.front_end import LogMel

    front_end = LogMel(spectrogram).eval()

    def compute(path: Path) -> NDArray[np.float16]:
        with torch.inference_mode():
            waveform = torch.from_numpy(read_clip(path, spectrogram))
            block: NDArray[np.float16] = front_end(waveform[None]).to(torch.float16).numpy()
        return block

    for done, block in enumerate(map_cores(compute, paths), start=1):
        yield block
        report.progress(done, len(paths), "clips")
