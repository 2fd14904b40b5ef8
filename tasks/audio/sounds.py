"""Inspect sound files: each is decoded completely, on all cores."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from tasks.parallel import map_cores
from tasks.report import Report

BLOCK_FRAMES = 1 << 18


@dataclass(frozen=True)
class Sound:
    """The content of one file; `fault` says why the file is unusable."""

    frames: int = 0
    channels: int = 0
    sample_rate_hz: int = 0
    peak: float = 0.0
    digest: str = ""
    fault: str = ""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate_hz if self.sample_rate_hz else 0.0

    @property
    def peak_db(self) -> float:
        """Level of the loudest sample, dB below full scale (-inf when all are zero)."""
        return 20 * math.log10(self.peak) if self.peak > 0 else -math.inf


def inspect_sounds(paths: Sequence[Path], report: Report) -> list[Sound]:
    """Decode every file and return the content of each, in the same order."""
    sounds = []
    for sound in map_cores(inspect_sound, paths):
        sounds.append(sound)
        report.progress(len(sounds), len(paths), "clips")
    return sounds


def inspect_sound(path: Path) -> Sound:
    """Decode one file block by block: length, loudest sample, and a digest of its samples, channels and rate."""
    if not path.is_file():
        return Sound(fault="missing: no such file in the archive")
    if path.stat().st_size == 0:
        return Sound(fault="empty: a file of zero bytes")
    try:
        with soundfile.SoundFile(path) as sound:
            return _read_through(sound)
    except (soundfile.LibsndfileError, OSError) as error:
        return Sound(fault=f"unreadable: {getattr(error, 'error_string', error)}")


def _read_through(sound: soundfile.SoundFile) -> Sound:
    digest = hashlib.blake2b(f"{sound.samplerate} {sound.channels}".encode(), digest_size=16)
    frames, peak = 0, 0.0
    while len(block := sound.read(BLOCK_FRAMES, dtype="float32")):
        frames += len(block)
        peak = max(peak, float(abs(block).max()))
        digest.update(block.tobytes())
    return Sound(frames, sound.channels, sound.samplerate, peak, digest.hexdigest())
