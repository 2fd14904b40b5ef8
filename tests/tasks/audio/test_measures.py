"""Loudness is a level that silence around a sound does not change; tempo is that of its beats."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tasks.audio.measures import CLIPS_PER_CLASS, choose_clips, measure_clips, measure_loudness, measure_tempo
from tasks.tables import read_rows, write_rows
from tests.tasks.audio.sounds import make_noise, write_sound
from tests.tasks.learning.toys import RecordingReport
from tests.tasks.shards import pack

RATE_HZ = 8000


def make_tone(duration_s: float, peak: float = 0.5) -> NDArray[np.float32]:
    return (peak * np.sin(np.arange(round(duration_s * RATE_HZ)) * 0.3)).astype(np.float32)


def make_beats(bpm: float, rate_hz: int = 16000) -> NDArray[np.float32]:
    """Six seconds of short bursts of noise, so many a minute."""
    beats, burst = np.zeros(6 * rate_hz, np.float32), make_noise(1, 0.05, rate_hz)[:, 0]
    for start in np.arange(0.1, 5.9, 60 / bpm):
        beats[round(start * rate_hz) :][: len(burst)] = burst
    return beats


SILENCE = np.zeros(2 * RATE_HZ, np.float32)
LOUDNESSES = {
    "a sine": (make_tone(2), -9.03),
    "a square wave at full scale": (np.sign(make_tone(2)), 0.0),
    "shorter than a frame": (make_tone(0.05), -9.03),
    "a single sample": (np.full(1, 0.1, np.float32), -20.0),
    "before silence": (np.concatenate([make_tone(2), SILENCE]), -9.03),
    "before much softer sound": (np.concatenate([make_tone(2), make_tone(2, 0.05)]), -9.03),
    "before softer sound": (np.concatenate([make_tone(2), make_tone(2, 0.25)]), -11.07),
    "silence": (SILENCE, -140.0),
    "softer than the gate": (make_tone(2, 1e-4), -83.01),
}


@pytest.mark.parametrize("sound", LOUDNESSES)
def test_the_loudness_is_the_level_of_what_is_heard(sound: str) -> None:
    samples, level_db = LOUDNESSES[sound]
    assert measure_loudness(samples, RATE_HZ) == pytest.approx(level_db, abs=0.4)


@pytest.mark.parametrize("bpm", [80, 100, 150])
def test_the_tempo_is_that_of_the_beats(bpm: float) -> None:
    assert measure_tempo(make_beats(bpm), 16000) == pytest.approx(bpm, rel=0.05)


def test_a_sound_shorter_than_a_frame_has_a_tempo_too() -> None:
    assert measure_tempo(make_tone(0.05), RATE_HZ) > 0


def test_at_most_some_clips_of_each_class_are_chosen_evenly() -> None:
    counts = {"many": 3 * CLIPS_PER_CLASS, "more": CLIPS_PER_CLASS + 1, "few": 3}
    table = pd.DataFrame(
        [{"example": str(n), "category": name} for name, count in counts.items() for n in range(count)]
    )
    chosen = choose_clips(table).groupby("category")["example"].agg(list)
    assert chosen["many"] == [str(3 * n) for n in range(CLIPS_PER_CLASS)]
    assert {name: len(numbers) for name, numbers in chosen.items()} == {"many": 20, "more": 20, "few": 3}


def test_the_stage_writes_each_clip_and_the_quartiles_of_each_class(tmp_path: Path) -> None:
    rows = []
    for n, (category, peak) in enumerate([("nan", 0.1), ("nan", 0.2), ("nan", 0.4), ("loud", 1.0)] * 8):
        write_sound(tmp_path / "sounds" / f"{n}.flac", make_tone(0.5, peak), RATE_HZ)
        rows.append({"example": n, "file": f"{n}.flac", "category": category, "sample_rate_hz": RATE_HZ})
    write_rows(tmp_path / "examples.csv", list(rows[0]), rows)
    archive = pack(tmp_path / "sounds", tmp_path / "archive", shards=3)
    report, folders = RecordingReport(), (tmp_path / "one", tmp_path / "other")
    for out in folders:
        out.mkdir()
        measure_clips(archive, tmp_path, out=out, report=report)
    assert read_rows(folders[0] / "loudness.csv")[1] == {
        "category": "nan",
        "low": "-23.0",
        "middle": "-17.0",
        "high": "-11.0",
    }
    assert [row["category"] for row in read_rows(folders[0] / "tempo.csv")] == ["loud", "nan"]
    assert report.messages[0] == "loudness and tempo of 28 of 32 clips, at most 20 of each class"
    assert {path.name for path in folders[0].iterdir()} == {
        "measures.csv", "loudness.csv", "loudness.png", "tempo.csv", "tempo.png",
    }  # fmt: skip
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes(), path.name
