"""The report of a run of the audio flow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from flows.engine.drivers.record import FlowRecord
from flows.engine.graph.stage import Role
from flows.report.blocks import Block, Chapter, Chart, Exhibit, Gallery
from flows.report.charts import draw_ranges
from flows.report.frame import render_run
from flows.report.labels import describe_doubt, show_labels
from flows.report.media import embed_picture, embed_sound
from flows.report.training import show_training
from tasks.audio.measures import FIGURES, measure_clips
from tasks.audio.spectrograms import precompute_spectrograms
from tasks.audio.waveforms import precompute_waveforms
from tasks.files import find_file
from tasks.tables import read_classes, read_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.features import Features

SHOWN = 8


def render_report(record: FlowRecord) -> str:
    """Return the report of a run as HTML."""
    examples = Chapter("Examples", (*show_sounds(record), *_show_doubts(record)))
    return render_run(record, training=show_training(record), examples=examples, data=show_measures(record))


def show_measures(record: FlowRecord) -> Iterator[Block]:
    """Yield the quartiles of the loudness and the tempo of each class."""
    folder = record.folder(measure_clips)
    if folder is None:
        return
    clips = len(read_rows(folder / "measures.csv"))
    for column, (_, unit) in FIGURES.items():
        name = column.partition("_")[0]
        ranges = [
            {"class": row["category"], **{key: float(row[key]) for key in ("low", "middle", "high")}}
            for row in read_rows(folder / f"{name}.csv")
        ]
        note = f"{unit}: median and middle half of each class; {clips} clips were measured"
        yield Chart(name.capitalize(), draw_ranges(ranges, name="class", title=unit), note=note)


def show_sounds(record: FlowRecord) -> Iterator[Block]:
    """Yield sounds and spectrograms of the worst errors and of each class's most confident correct prediction."""
    ensemble, clips = map(record.folder, (Role.PREDICTIONS, Role.CLEAN_TABLE))
    if ensemble is None or clips is None:
        return
    from tasks.learning.predictions import join_predictions, read_rounds

    predictions = join_predictions(list(read_rounds(ensemble / "test.csv", ["fold"]).values()))
    right = predictions.probabilities[range(len(predictions)), predictions.labels]
    order = right.argsort(kind="stable")
    classes, files = read_classes(clips), [row["file"] for row in read_rows(clips / "examples.csv", ["file"])]

    def exhibit(place: int) -> Exhibit:
        example, chances = int(predictions.examples[place]), predictions.probabilities[place]
        taken, actual = classes[int(chances.argmax())], classes[int(predictions.labels[place])]
        return Exhibit(actual, taken, f"{chances.max():.0%}", **_embed_clip(record, example, files[example]))

    wrong = [int(place) for place in order if predictions.probabilities[place].argmax() != predictions.labels[place]]
    surest = {int(predictions.labels[place]): int(place) for place in order}
    places = {"Worst errors": wrong, "Most confident of each class": list(surest.values())}
    note = "bold: actual class; spectrograms show time from left to right, low frequencies at the bottom"
    for title, found in places.items():
        if found:
            yield Gallery(title, [exhibit(n) for n in found[:SHOWN]], note)


def _show_doubts(record: FlowRecord) -> Iterator[Block]:
    def exhibit(row: Mapping[str, str]) -> Exhibit:
        return describe_doubt(row, **_embed_clip(record, int(row["example"]), row["file"]))

    return show_labels(record, exhibit, shown=SHOWN)


def _embed_clip(record: FlowRecord, example: int, file: str) -> dict[str, str]:
    """Return a clip's name, its sound, and its spectrogram if the flow has spectrograms."""
    archive = record.folder(Role.ARCHIVE)
    assert archive is not None, "what is shown was computed from it"
    spectrograms, clip_s = _open_spectrograms(record)
    picture = embed_picture(colour_spectrogram(spectrograms[example])) if spectrograms is not None else ""
    sound = embed_sound(find_file(archive, file).open(), clip_s)
    return {"name": file.rpartition("/")[2], "sound": sound, "picture": picture}


def _open_spectrograms(record: FlowRecord) -> tuple[Features | None, float]:
    """Return the spectrograms of all clips (clips, mels, frames), None if the flow has none, and the clips' seconds."""
    from tasks.features import open_features

    for task in (precompute_spectrograms, precompute_waveforms):
        if folders := [folder for _, folder in record.find(task)]:
            clip_s = json.loads((folders[0] / "front_end.json").read_text())["clip_s"]
            return (open_features(folders) if task is precompute_spectrograms else None), clip_s
    return None, 5.0


def colour_spectrogram(spectrogram: NDArray[np.float16]) -> NDArray[np.uint8]:
    """Return a log-mel spectrogram (mels, frames) as a picture of twice its size, low bands at the bottom."""
    import numpy as np
    from matplotlib import colormaps

    loud = spectrogram[::-1].astype(np.float32)
    low, high = np.percentile(loud, (5, 100))
    colours = np.asarray(colormaps["magma"](((loud - low) / max(high - low, 1e-6)).clip(0, 1)))[..., :3] * 255
    return colours.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
