"""Predictions of exported models: all items in one call compared with one item after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from benchmarks.pictures_input import gather_pictures, list_pictures
from benchmarks.table import Figure
from benchmarks.text_training import prepare, read_preset
from flows.engine.graph.overrides import read_changed
from tasks.audio import predict as sounds
from tasks.audio import script as sound_script
from tasks.audio.decode import read_clip
from tasks.images import predict as pictures
from tasks.images import script as picture_script
from tasks.learning.fitted import Fit
from tasks.learning.networks import Buildable, build_network
from tasks.learning.script import Assembled, Voter
from tasks.learning.served import Served, load_script
from tasks.learning.torchscript import save_script
from tasks.report import Silent
from tasks.tables import read_rows
from tasks.text import predict as texts
from tasks.text import script as text_script
from tasks.text.encode import open_encoder
from tasks.text.sample import SampleSection, make_sample
from tasks.text.tokens import read_vocabulary

N_CLASSES = 10
TEXTS_TARGET, RATIO_TARGET = 3000, 5
WARM, ALONE = 10, 60  # items that are not timed, and items that are timed one after the other


@dataclass(frozen=True)
class Side:
    """A served model, what it is asked, and the function that reads one item for its script."""

    name: str
    served: Served
    script: Any
    items: Sequence[Any]
    read: Callable[[Any], Tensor]

    def time_alone(self) -> float:
        """Return the items per second, each read and classified in a batch of its own."""
        with torch.inference_mode():
            return time_rate(lambda items: [self.script(self.read(item)[None]) for item in items], self.items[:ALONE])

    def time_together(self) -> float:
        """Return the items per second of one call."""
        return time_rate(self.served.predict_proba, self.items)


def measure() -> list[Figure]:
    """Serve the presets' networks with random weights, which take the time of trained ones."""
    with TemporaryDirectory() as place:
        sides = [make(Path(place)) for make in (serve_texts, serve_pictures, serve_sounds)]
        return [make_figure(side, side.time_alone(), side.time_together()) for side in sides]


def make_figure(side: Side, alone: float, together: float) -> Figure:
    """Return the figure of one domain."""
    is_text = side.name.startswith("texts")
    return Figure(
        f"{side.name}/s",
        f"one at a time: {alone:,.0f}",
        f"{together:,.0f}",
        f"{together / alone:.1f}",
        f"{TEXTS_TARGET:,} texts/s" if is_text else f"{RATIO_TARGET}",
        together >= TEXTS_TARGET if is_text else together >= RATIO_TARGET * alone,
    )


def time_rate(predict: Callable[[Sequence[Any]], object], items: Sequence[Any]) -> float:
    """Return the items per second that a function takes, after a few that are not timed."""
    predict(items[:WARM])
    started_s = time.perf_counter()
    predict(items)
    return len(items) / (time.perf_counter() - started_s)


def serve_texts(folder: Path) -> Side:
    """Serve the six networks of the preset on sample tweets."""
    (folder / "sample").mkdir()
    make_sample(SampleSection(train_rows=8000, test_rows=60, seed=1), out=folder / "sample", report=Silent())
    prepare(folder, folder / "sample" / "archive.zip")
    p, tokens = read_preset(), folder / "tokens"
    members = {**{name: each.without_weights() for name, each in p.members.items()}, **p.ngrams}
    shape = (len(read_vocabulary(tokens)),)
    model = write_model(
        folder / "text", text_script.assemble(draw_voters(members, 2, shape), ["negative", "positive"], tokens=[tokens])
    )
    encode = open_encoder(model.parent)
    tweets = [row["text"] for row in read_rows(folder / "tweets" / "examples.csv", ["text"])]
    return Side(
        f"texts, {len(members)} networks",
        texts.open_model(model),
        load_script(model),
        tweets,
        lambda text: torch.from_numpy(encode([text])[0]).long(),
    )


def serve_pictures(folder: Path) -> Side:
    """Serve the network of the preset for Imagenette on JPEGs."""
    p = read_changed("images", preset="imagenette", overrides=[])
    description, pixels = gather_pictures(folder), max(size.pixels for size in p.sizes.values())
    voters = draw_voters(p.members, N_CLASSES, (pixels, pixels, 3))
    model = write_model(folder / "images", picture_script.assemble(voters, name_classes()))
    return Side(
        description,
        pictures.open_model(model),
        load_script(model),
        list_pictures(folder)[:512],
        pictures._read_pixels,
    )


def serve_sounds(folder: Path) -> Side:
    """Serve the network of the preset for ESC-10 on wav files of 5 s."""
    p = read_changed("audio", preset="esc10", overrides=[])
    features = folder / "spectrograms"
    features.mkdir()
    (features / "front_end.json").write_text(json.dumps(p.spectrogram.model_dump()))
    shape = (p.spectrogram.n_mels, p.spectrogram.n_frames)
    voters = draw_voters(p.members, N_CLASSES, shape)
    model = write_model(folder / "audio", sound_script.assemble(voters, name_classes(), features=[features]))
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * p.spectrogram.sample_rate_hz)
    soundfile.write(folder / "noise.wav", noise, p.spectrogram.sample_rate_hz)
    return Side(
        "sounds of 5 s",
        sounds.open_model(model),
        load_script(model),
        [folder / "noise.wav"] * 256,
        lambda sound: torch.from_numpy(read_clip(sound, p.spectrogram)),
    )


def name_classes() -> list[str]:
    """Return made-up names of classes."""
    return [f"class{n}" for n in range(N_CLASSES)]


def draw_voters(members: Mapping[str, Buildable], n_classes: int, shape: tuple[int, ...]) -> list[Voter[Any]]:
    """Return the members' networks with random weights and equal shares."""
    return [
        Voter(Fit(name, 1, n_classes, shape), member, build_network(member, n_classes, shape).eval(), 1 / len(members))
        for name, member in members.items()
    ]


def write_model(folder: Path, assembled: Assembled) -> Path:
    """Write an exported model's files; return the model's."""
    folder.mkdir()
    save_script(assembled.model, folder / "model.pt")
    for name, content in assembled.files.items():
        (folder / name).write_bytes(content)
    return folder / "model.pt"
