"""Decode sound files to mono samples at one rate: features and predictions both use this module."""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tasks.audio.sections import Waveform
from tasks.audio.wav import repair_wav
from tasks.errors import UserError

Samples = NDArray[np.float32]
# A file, or its content.
Source = Path | BytesIO
LOUDEST = 64.0  # full scale is 1; samples beyond it are whole numbers in a file for fractions
TRIM_HOP_S = 0.016  # silence is cut in such steps, whatever the rate
LOW_FREQUENCY = 3  # the channel of 5.1 and 7.1 that is for the subwoofer


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


def read_clip(path: Source, waveform: Waveform, trim_db: float = 0.0) -> Samples:
    """Return the first `clip_s` of a sound file, zero padded when it is shorter: (n_samples,).

    With `trim_db` the silent ends of the whole file are cut first.
    """
    clip = np.zeros(waveform.n_samples, np.float32)
    # A second more than needed, so that the end effects of the resampler are outside the clip.
    samples = read_mono(path, waveform.sample_rate_hz, max_s=None if trim_db else waveform.clip_s + 1)
    if trim_db and len(samples):
        samples = trim_silence(samples, waveform.sample_rate_hz, trim_db)
    samples = samples[: waveform.n_samples]
    clip[: len(samples)] = samples
    return clip


def trim_silence(samples: Samples, rate_hz: int, trim_db: float) -> Samples:
    """Return a sound without the frames at its ends that are more than `trim_db` softer than its loudest frame."""
    import librosa

    hop = max(1, round(TRIM_HOP_S * rate_hz))
    trimmed: Samples = librosa.effects.trim(samples, top_db=trim_db, frame_length=4 * hop, hop_length=hop)[0]
    return trimmed


def make_reader(waveform: Waveform, trim_db: float) -> Callable[[Source], Samples]:
    """Return `read_clip` with these settings, for several threads."""
    if trim_db:
        # Imports librosa here: threads that import it at the same time may see an unfinished module.
        trim_silence(np.zeros(1, np.float32), waveform.sample_rate_hz, trim_db)
    return partial(read_clip, waveform=waveform, trim_db=trim_db)


def open_reader(script: Any) -> Callable[[Source], Samples]:
    """Return a function that reads a sound file as an exported model expects it: (n_samples,)."""
    waveform = Waveform(sample_rate_hz=script.sample_rate_hz, clip_s=script.n_samples / script.sample_rate_hz)
    # Models that an earlier version exported have no `trim_db`.
    return make_reader(waveform, getattr(script, "trim_db", 0.0))
