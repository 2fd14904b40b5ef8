"""Decode sound files to mono samples at one rate: features and predictions both use this module."""

from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tasks.audio.sections import Waveform
from tasks.audio.wav import repair_wav
from tasks.errors import UserError
from tasks.tables import read_rows

Samples = NDArray[np.float32]
# A file, or its content.
Source = Path | BytesIO
LOUDEST = 64.0  # full scale is 1; samples beyond it are whole numbers in a file for fractions
LOW_FREQUENCY = 3  # the channel of 5.1 and 7.1 that is for the subwoofer


def list_clips(archive: Path, clips: Path) -> list[Path]:
    """Return the sound files of the clean table `examples.csv`, in its order."""
    return [archive / row["file"] for row in read_rows(clips / "examples.csv", ["file"])]


def read_mono(path: Source, sample_rate_hz: int, max_s: float | None = None) -> Samples:
    """Return a sound file's samples, its channels averaged, resampled to `sample_rate_hz`: (samples,) in -1..1.

    It reads all formats of libsndfile (wav, ogg, flac, ...), and at most the first `max_s` seconds. The average of 5.1
    and 7.1 leaves out the low-frequency channel. Raises UserError when the file is no sound, or holds samples that are
    not finite or far beyond full scale.
    """
    try:
        with open_sound(path) as sound:
            frames = -1 if max_s is None else int(np.ceil(max_s * sound.samplerate)) + 1
            samples = _read_samples(sound, frames)
            rate_hz = sound.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{path} cannot be read as a sound ({error}). Repair or remove it.") from error
    if not abs(samples).max(initial=0) <= LOUDEST:
        raise UserError(
            f"{path} holds samples that are not finite, or beyond {LOUDEST:g} where full scale is 1. "
            "Repair or remove it."
        )
    if samples.shape[1] in (6, 8):
        samples = np.delete(samples, LOW_FREQUENCY, axis=1)
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    return mono if rate_hz == sample_rate_hz else soxr.resample(mono, rate_hz, sample_rate_hz)


def open_sound(source: Source) -> soundfile.SoundFile:
    """Open a sound file; a WAV file whose header hides its samples is repaired in memory.

    Raises LibsndfileError or OSError when it is no sound.
    """
    try:
        sound = soundfile.SoundFile(source)
    except soundfile.LibsndfileError:
        if (repaired := repair_wav(source)) is None:
            raise
        return soundfile.SoundFile(repaired)
    if sound.frames or (repaired := repair_wav(source)) is None:
        return sound
    sound.close()
    return soundfile.SoundFile(repaired)


def _read_samples(sound: soundfile.SoundFile, frames: int) -> Samples:
    """Return (frames, channels): the same values as libsndfile's float32; 16-bit files take a third less time."""
    if sound.subtype != "PCM_16":
        return sound.read(frames, dtype="float32", always_2d=True)
    return sound.read(frames, dtype="int16", always_2d=True) * np.float32(1 / 32768)


def read_clip(path: Source, waveform: Waveform) -> Samples:
    """Return the first `clip_s` of a sound file, zero padded when it is shorter: (n_samples,)."""
    clip = np.zeros(waveform.n_samples, np.float32)
    # A second more than needed, so that the end effects of the resampler are outside the clip.
    samples = read_mono(path, waveform.sample_rate_hz, max_s=waveform.clip_s + 1)[: waveform.n_samples]
    clip[: len(samples)] = samples
    return clip
