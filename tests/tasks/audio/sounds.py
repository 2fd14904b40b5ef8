"""Small sound files in ESC-50's layout, for the tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tasks.tables import write_rows

COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


def make_noise(seed: int, duration_s: float = 0.5, rate_hz: int = 8000, channels: int = 1) -> NDArray[np.float32]:
    """Return noise, (samples, channels), not the same for two seeds."""
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(duration_s * rate_hz), channels))
    return noise.astype(np.float32)


def write_sound(path: Path, samples: NDArray[np.float32], rate_hz: int = 8000) -> None:
    """Write a sound file of the kind that its name ends in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz)


def make_row(name: str, **values: object) -> dict[str, object]:
    """Return a row of the archive's table, as `1-100-A-0.wav` names it."""
    fold, source, take, target = name.split(".")[0].split("-")
    row = dict(zip(COLUMNS, (name, fold, target, f"class{target}", target == "0", source, take), strict=True))
    return row | values


def write_archive(archive: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] = COLUMNS) -> Path:
    """Write the table, and a sound for each row that has no file yet; return the folder of the sounds."""
    audio = archive / "set" / "audio"
    for seed, row in enumerate(rows):
        if not (audio / str(row["filename"])).exists():
            write_sound(audio / str(row["filename"]), make_noise(seed))
    (archive / "set" / "meta").mkdir(parents=True)
    kept = [{name: row[name] for name in columns} for row in rows]
    write_rows(archive / "set" / "meta" / "esc50.csv", columns, kept)
    return audio
