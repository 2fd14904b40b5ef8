"""Read every clip's samples once, mono at one rate and of one length, and store them on disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.audio.decode import Samples, list_clips, make_reader
from tasks.audio.sections import Waveform, write_front_end
from tasks.features import write_features
from tasks.parallel import map_cores
from tasks.report import Report

__all__ = ["Waveform", "precompute_waveforms"]


def precompute_waveforms(
    archive: Path, clips: Path, waveform: Waveform, *, trim_db: float = 0.0, out: Path, report: Report
) -> None:
    """Write `features.npy`, float16 (clips, samples) in -1..1, and the settings as `front_end.json`.

    `archive` is the unpacked archive, `clips` the clean table, `trim_db` says how silent ends are cut. Raises UserError
    when a file cannot be read or the disk is full.
    """
    paths = list_clips(archive, clips)
    shape = (len(paths), waveform.n_samples)
    read = make_reader(waveform, trim_db)
    write_features(out, _read_blocks(paths, read, report), shape=shape, dtype=np.float16)
    write_front_end(out, waveform, trim_db)


def _read_blocks(paths: list[Path], read: Callable[[Path], Samples], report: Report) -> Iterator[NDArray[np.float16]]:
    clips = map_cores(lambda path: read(path).astype(np.float16), paths)
    for done, clip in enumerate(clips, start=1):
        yield clip[None]
        report.progress(done, len(paths), "clips")
