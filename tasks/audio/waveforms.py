"""Read every clip's samples once, mono at one rate and of one length, and store them on disk."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.audio.decode import list_clips, read_clip
from tasks.audio.sections import Waveform
from tasks.features import write_features
from tasks.parallel import map_cores
from tasks.report import Report

__all__ = ["Waveform", "precompute_waveforms"]


def precompute_waveforms(archive: Path, clips: Path, waveform: Waveform, *, out: Path, report: Report) -> None:
    """Write `features.npy`, float16 (clips, samples) in -1..1, and the settings as `front_end.json`.

    `archive` is the unpacked archive, `clips` the clean table. Raises UserError when a file cannot be read or
    the disk is full.
    """
    paths = list_clips(archive, clips)
    shape = (len(paths), waveform.n_samples)
    write_features(out, _read_blocks(paths, waveform, report), shape=shape, dtype=np.float16)
    (out / "front_end.json").write_text(json.dumps(waveform.model_dump(), indent=2, sort_keys=True) + "\n")


def _read_blocks(paths: list[Path], waveform: Waveform, report: Report) -> Iterator[NDArray[np.float16]]:
    clips = map_cores(lambda path: read_clip(path, waveform).astype(np.float16), paths)
    for done, clip in enumerate(clips, start=1):
        yield clip[None]
        report.progress(done, len(paths), "clips")
