"""Inspect sound files: each is decoded completely, on all cores."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile

from tasks.audio.decode import LOUDEST, open_sound
from tasks.audio.wav import count_lost_bytes
from tasks.file_formats import name_format
from tasks.files import File
from tasks.parallel import map_cores
from tasks.report import Report

SUFFIXES = frozenset({
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64",
    ".m4a", ".aac", ".wma", ".amr", ".webm",  # these cannot be read, but are named
})  # fmt: skip
BLOCK_FRAMES = 1 << 18


@dataclass(frozen=True)
class Sound:
    """The content of one file; `fault` says why the file is unusable, `is_cut` that its header claims more samples."""

    frames: int = 0
    channels: int = 0
    sample_rate_hz: int = 0
    peak: float = 0.0
    digest: str = ""
    fault: str = ""
    is_cut: bool = False

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate_hz if self.sample_rate_hz else 0.0

    @property
    def peak_db(self) -> float:
        """Level of the loudest sample, dB below full scale (-inf when all are zero)."""
        return 20 * math.log10(self.peak) if self.peak > 0 else -math.inf


def inspect_sounds(files: Sequence[File], report: Report) -> list[Sound]:
    """Decode every file and return the content of each, in the same order."""
    sounds = []
    for sound in map_cores(inspect_sound, files):
        sounds.append(sound)
        report.progress(len(sounds), len(files), "clips")
    return sounds


def inspect_sound(file: File) -> Sound:
    """Decode one file block by block: length, loudest sample, and a digest of its samples, channels and rate."""
    try:
        with open_sound(file.open()) as sound:
            return _read_through(sound, has_lost=count_lost_bytes(file) > 0)
    except (soundfile.LibsndfileError, OSError) as error:
        return _name_fault(file, error)


def inspect_header(file: File) -> Sound:
    """Read the header of one file: its length, channels and rate; a file with a good header may still be damaged."""
    try:
        with open_sound(file.open()) as sound:
            return Sound(sound.frames, sound.channels, sound.samplerate)
    except (soundfile.LibsndfileError, OSError) as error:
        return _name_fault(file, error)


def _name_fault(file: File, error: Exception) -> Sound:
    if not (start := file.read(16)):
        return Sound(fault="empty: a file of zero bytes")
    return Sound(fault=name_format(start) or f"unreadable: {getattr(error, 'error_string', error)}")


def _read_through(sound: soundfile.SoundFile, *, has_lost: bool) -> Sound:
    digest = hashlib.blake2b(f"{sound.samplerate} {sound.channels}".encode(), digest_size=16)
    frames, peak = 0, 0.0
    while len(block := sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
        highest = float(abs(block).max())
        if not np.isfinite(highest):
            at = frames + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            return Sound(fault=f"not finite: NaN or infinite at sample {at}")
        frames += len(block)
        peak = max(peak, highest)
        digest.update(block.tobytes())
    if peak > LOUDEST:
        return Sound(fault=f"too loud: its loudest sample is {peak:g}, and 1 is full scale; save whole numbers as PCM")
    is_cut = has_lost or frames < sound.frames
    return Sound(frames, sound.channels, sound.samplerate, peak, digest.hexdigest(), is_cut=is_cut)
