"""The report of a run of the audio flow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flows.engine.drivers.record import FlowRecord
from flows.engine.graph.stage import Role
from flows.report.blocks import Chapter, Exhibit, Gallery
from flows.report.frame import render_run
from flows.report.media import embed_picture, embed_sound
from flows.report.training import show_training
from tasks.audio.spectrograms import precompute_spectrograms
from tasks.audio.waveforms import precompute_waveforms
from tasks.tables import read_classes, read_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN = 8


def render_report(record: FlowRecord) -> str:
    """Return the report of a run as HTML."""
    return render_run(record, training=show_training(record), examples=show_sounds(record))


def show_sounds(record: FlowRecord) -> Chapter:
    """Return sounds and spectrograms of the worst errors and of each class's most confident correct prediction."""
    ensemble, clips, archive = map(record.folder, (Role.PREDICTIONS, Role.CLEAN_TABLE, Role.ARCHIVE))
    if ensemble is None or clips is None or archive is None:
        return Chapter("Examples")
    from tasks.learning.predictions import join_predictions, read_rounds

    predictions = join_predictions(list(read_rounds(ensemble / "test.csv", ["fold"]).values()))
    right = predictions.probabilities[range(len(predictions)), predictions.labels]
    order = right.argsort(kind="stable")
    classes, files = read_classes(clips), [row["file"] for row in read_rows(clips / "examples.csv", ["file"])]
    spectrograms, clip_s = _open_spectrograms(record)

    def exhibit(place: int) -> Exhibit:
        example, chances = int(predictions.examples[place]), predictions.probabilities[place]
        picture = embed_picture(colour_spectrogram(spectrograms[example])) if spectrograms is not None else ""
        sound = embed_sound(archive / files[example], clip_s)
        taken, actual = classes[int(chances.argmax())], classes[int(predictions.labels[place])]
        name = files[example].rpartition("/")[2]
        return Exhibit(actual, taken, f"{chances.max():.0%}", picture, sound, name=name)

    wrong = [int(place) for place in order if predictions.probabilities[place].argmax() != predictions.labels[place]]
    surest = {int(predictions.labels[place]): int(place) for place in order}
    places = {"Worst errors": wrong, "Most confident of each class": list(surest.values())}
    note = "bold: actual class; spectrograms show time from left to right, low frequencies at the bottom"
    galleries = [Gallery(title, [exhibit(n) for n in found[:SHOWN]], note) for title, found in places.items() if found]
    return Chapter("Examples", galleries)


def _open_spectrograms(record: FlowRecord) -> tuple[NDArray[Any] | None, float]:
    """Return the spectrograms of all clips (clips, mels, frames), None if the flow has none, and the clips' seconds."""
    from tasks.features import open_features

    for task in (precompute_spectrograms, precompute_waveforms):
        if (folder := record.folder(task)) is not None:
            clip_s = json.loads((folder / "front_end.json").read_text())["clip_s"]
            return (open_features(folder) if task is precompute_spectrograms else None), clip_s
    return None, 5.0


def colour_spectrogram(spectrogram: NDArray[np.float16]) -> NDArray[np.uint8]:
    """Return a log-mel spectrogram (mels, frames) as a picture of twice its size, low bands at the bottom."""
    import numpy as np
    from matplotlib import colormaps

    loud = spectrogram[::-1].astype(np.float32)
    low, high = np.percentile(loud, (5, 100))
    colours = np.asarray(colormaps["magma"](((loud - low) / max(high - low, 1e-6)).clip(0, 1)))[..., :3] * 255
    return colours.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
