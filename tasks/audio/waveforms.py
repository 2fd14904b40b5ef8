"""Read every clip's samples once, mono at one rate and of one length, and store them on disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.audio.decode import Samples, Source, make_reader
from tasks.audio.sections import Waveform, write_front_end
from tasks.features import write_features
from tasks.files import File
from tasks.parallel import map_cores
from tasks.report import Report
from tasks.shard_tables import read_kept

__all__ = ["Waveform", "precompute_waveforms"]


def precompute_waveforms(
    shard: Path, kept: Path, waveform: Waveform, *, trim_db: float = 0.0, out: Path, report: Report
) -> None:
    """Write `features.npy`, float16 (clips, samples) in -1..1, and the settings as `front_end.json`.

    `kept` is the clean stage's table of the shard's usable sounds, `trim_db` says how silent ends are cut. Raises
    UserError when a file cannot be read or the disk is full.
    """
    files = read_kept(shard, kept)
    shape = (len(files), waveform.n_samples)
    read = make_reader(waveform, trim_db)
    write_features(out, _read_blocks(files, read, report), shape=shape, dtype=np.float16)
    write_front_end(out, waveform, trim_db)


def _read_blocks(files: list[File], read: Callable[[Source], Samples], report: Report) -> Iterator[NDArray[np.float16]]:
    clips = map_cores(lambda file: read(file.open()).astype(np.float16), files)
    for done, clip in enumerate(clips, start=1):
        yield clip[None]
        report.progress(done, len(files), "clips")
