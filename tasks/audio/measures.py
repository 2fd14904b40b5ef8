"""Loudness and tempo of some clips of each class, by librosa, for the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.audio.decode import Samples, read_mono
from tasks.files import list_shards
from tasks.parallel import map_cores
from tasks.report import Report

if TYPE_CHECKING:
    import pandas as pd

FIGURES = {
    "loudness_db": ("How loud the clips of each class are", "dB"),
    "tempo_bpm": ("The tempo of the clips of each class", "beats per minute"),
}
CLIPS_PER_CLASS = 20  # more change the medians little, and all 2000 clips of ESC-50 would take half a minute
LONGEST_S = 30.0  # of a clip that is measured
FRAME_S = 0.4  # of the loudness, as in EBU R 128
SILENCE_POWER = 1e-7  # -70 dB: frames below it do not count
TEMPO_RATE_HZ, TEMPO_FRAME, TEMPO_HOP = 8000, 2048, 256  # onsets are found in steps of 32 ms


def measure_clips(archive: Path, clips: Path, *, out: Path, report: Report) -> None:
    """Write `measures.csv`, and of each figure the quartiles of each class, `loudness.csv` and `tempo.csv`, and a plot.

    Measured are the first LONGEST_S seconds of at most CLIPS_PER_CLASS clips of each class. A clip of a second, or
    without a beat, has a tempo near the 120 that librosa expects. Raises UserError when a file cannot be read.
    """
    import pandas as pd

    table = pd.read_csv(clips / "examples.csv", dtype=str, keep_default_na=False)
    chosen = choose_clips(table)
    figures = []
    for figures_of_one in _measure_each(archive, chosen):
        figures.append(figures_of_one)
        report.progress(len(figures), len(chosen), "clips")
    measured = chosen[["example", "category"]].assign(**dict(zip(FIGURES, np.round(figures, 1).T, strict=True)))
    measured.to_csv(out / "measures.csv", index=False, lineterminator="\n")
    for column in FIGURES:
        _describe_classes(out, measured, column)
    if len(chosen) < len(table):
        report.say(
            f"loudness and tempo of {len(chosen)} of {len(table)} clips, at most {CLIPS_PER_CLASS} of each class"
        )


def _measure_each(archive: Path, chosen: pd.DataFrame) -> Iterator[tuple[float, float]]:
    """Yield the loudness and the tempo of each clip; only reading is left to several threads."""
    rates_hz = chosen["sample_rate_hz"].astype(int).tolist()
    files = {file.name: file for shard in list_shards(archive) for file in shard}
    pairs = zip((files[name] for name in chosen["file"]), rates_hz, strict=True)
    sounds = map_cores(lambda pair: read_mono(pair[0].open(), pair[1], LONGEST_S), pairs)
    for samples, rate_hz in zip(sounds, rates_hz, strict=True):
        yield measure_loudness(samples, rate_hz), measure_tempo(samples, rate_hz)


def _describe_classes(out: Path, measured: pd.DataFrame, column: str) -> None:
    """Write the quartiles of each class as CSV, and a plot."""
    from tasks.plots import plot_boxes

    (title, unit), name = FIGURES[column], column.partition("_")[0]
    of_class = measured.groupby("category")[column]
    quartiles = of_class.quantile(np.array([0.25, 0.5, 0.75])).unstack().set_axis(["low", "middle", "high"], axis=1)
    quartiles.round(1).to_csv(out / f"{name}.csv", lineterminator="\n")
    groups = {str(category): values.tolist() for category, values in of_class}
    plot_boxes(out / f"{name}.png", groups, title=title, y_label=unit)


def choose_clips(table: pd.DataFrame) -> pd.DataFrame:
    """Return at most CLIPS_PER_CLASS rows of each class, evenly spaced."""
    of_class = table.groupby("category")["example"]
    place = of_class.cumcount() * CLIPS_PER_CLASS // of_class.transform("size")
    is_repeated = table.assign(place=place).duplicated(["category", "place"])
    return table[~is_repeated]


def measure_loudness(samples: Samples, rate_hz: int) -> float:
    """Return the level of a sound, dB: 0 is a square wave at full scale, -3 a sine.

    It is the mean power of frames of 0.4 s, without silent ones and those 10 dB below the mean of the others, so that
    zeros at a clip's end change nothing: the gate of EBU R 128, without its filter.
    """
    from librosa.feature import rms

    frame = min(round(FRAME_S * rate_hz), len(samples))
    level = rms(y=samples, frame_length=frame, hop_length=max(1, frame // 4), center=False)
    power = level[0].astype(np.float64) ** 2
    loud = power[power > SILENCE_POWER] if power.max() > SILENCE_POWER else power
    loud = loud[loud >= loud.mean() / 10]
    return float(10 * np.log10(max(loud.mean(), SILENCE_POWER**2)))


def measure_tempo(samples: Samples, rate_hz: int) -> float:
    """Return the tempo, beats per minute, of the strongest period between the onsets of a sound.

    A sound shorter than one frame is followed by silence.
    """
    import librosa

    low = librosa.resample(samples, orig_sr=rate_hz, target_sr=TEMPO_RATE_HZ)
    low = np.pad(low, (0, max(0, TEMPO_FRAME - len(low))))
    return float(librosa.feature.tempo(y=low, sr=TEMPO_RATE_HZ, hop_length=TEMPO_HOP)[0])
