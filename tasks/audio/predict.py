"""Predict sound files with the exported model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.learning.answers import list_files
from tasks.learning.served import BINARY, FILE, Served, load_example, load_script, predict_each
from tasks.report import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.audio.decode import Source


GIVEN = "sound (wav, ogg, flac, mp3)"


def read_given(given: Sequence[str], folder: Path, report: Report) -> list[Path]:
    """Return the files that a command line names, from `folder`; of a folder all with a sound's suffix."""
    from tasks.audio.sounds import SUFFIXES

    return list_files(given, folder, report, kind=GIVEN, is_kind=lambda path: path.suffix.lower() in SUFFIXES)


def open_model(model: Path) -> Served:
    """Open an exported model for sound files. Raises UserError when it cannot be read."""
    import torch

    from tasks.audio.decode import open_reader

    script = load_script(model)
    read = open_reader(script)

    def predict_proba(sounds: Sequence[Source]) -> NDArray[np.float32]:
        return predict_each(script, sounds, lambda sound: torch.from_numpy(read(sound)))

    return Served(BINARY, script.labels, predict_proba, lambda: _draw_wav(model, script.sample_rate_hz))


def _load_pyfunc(data_path: str) -> Served:
    """Open a model stored in MLflow, which requires this function's name."""
    return open_model(Path(data_path, FILE))


def _draw_wav(model: Path, sample_rate_hz: int) -> bytes:
    """Return the first second of the example as a file."""
    from io import BytesIO

    import soundfile

    wav = BytesIO()
    soundfile.write(wav, load_example(model)[0, :sample_rate_hz], sample_rate_hz, format="WAV")
    return wav.getvalue()
