"""What a folder of sounds holds, from its table, names and headers; nothing is decoded."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.audio.clean import Clean, find_fault, find_meanings
from tasks.audio.layout import find_layout
from tasks.audio.sounds import Sound, inspect_header
from tasks.clean_table import Dropped
from tasks.files import list_folder
from tasks.parallel import map_cores
from tasks.survey import Survey

FULL_RATE_HZ = 44100
LOW_RATE_HZ = 16000  # of the members that read waveforms; below it, fewer mel bands have a bin each
LONGEST_S = 10.0  # of a clip that is proposed; a longer one costs much memory and time
WINDOW_S, HOP_S = 0.046, 0.02


def survey_sounds(archive: Path, clean: Clean) -> Survey:
    """Return what the clean stage would find in the table and the headers.

    Raises UserError when there is neither a table nor class folders.
    """
    layout = find_layout(list_folder(archive), only_esc10=clean.only_esc10)
    sounds = list(map_cores(lambda clip: inspect_header(clip.file) if clip.file else Sound(), layout.clips))
    meanings = find_meanings(layout.clips)
    faults = [find_fault(clip, meanings) or sound.fault for clip, sound in zip(layout.clips, sounds, strict=True)]
    rows = list(zip(layout.clips, sounds, faults, strict=True))
    counts = Counter((clip.split, clip.category) for clip, _, fault in rows if not fault)
    dropped = [Dropped(clip.name, fault) for clip, _, fault in rows if fault]
    usable = [sound for _, sound, fault in rows if not fault]
    folds = {clip.fold for clip, _, fault in rows if not fault} - {""}
    remarks = ["The run decodes every sound, and sets damaged and silent ones and duplicates aside too."]
    if usable:
        remarks.insert(0, _describe(usable))
    settings = _choose_features(usable) if usable else {}
    return Survey("sounds", layout.remarks, counts, dropped, settings, remarks, len(folds))


def _describe(sounds: Sequence[Sound]) -> str:
    durations = np.array([sound.duration_s for sound in sounds])
    rates = Counter(sound.sample_rate_hz for sound in sounds).most_common(3)
    return (
        f"Durations: {durations.min():.1f} to {durations.max():.1f} s, median {np.median(durations):.1f} s; sample "
        f"rates: {', '.join(f'{rate} Hz ({count})' for rate, count in rates)}."
    )


def _choose_features(sounds: Sequence[Sound]) -> dict[str, object]:
    """Return the settings of the features: clips as long as nine in ten sounds, the most frequent sample rate."""
    longest_s = float(np.quantile([sound.duration_s for sound in sounds], 0.9))
    clip_s = max(0.5, min(LONGEST_S, math.ceil(2 * longest_s - 0.01) / 2))
    lengths: dict[str, object] = {"spectrogram.clip_s": clip_s, "waveform.clip_s": clip_s}
    rate_hz = Counter(sound.sample_rate_hz for sound in sounds).most_common(1)[0][0]
    if rate_hz >= FULL_RATE_HZ:
        return lengths
    return (
        lengths
        | {
            "spectrogram.sample_rate_hz": rate_hz,
            "spectrogram.n_fft": 2 ** round(math.log2(WINDOW_S * rate_hz)),
            "spectrogram.hop_samples": round(HOP_S * rate_hz),
            "spectrogram.f_max_hz": rate_hz // 2,
            "waveform.sample_rate_hz": min(rate_hz, LOW_RATE_HZ),
        }
        | ({"spectrogram.n_mels": 32} if rate_hz < LOW_RATE_HZ else {})
    )
