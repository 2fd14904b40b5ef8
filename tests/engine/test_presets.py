"""Every preset runs with no other argument, from its address to the exported model.

The addresses are served from loopback, with small files of the same names and layouts. The trainings are short.
"""

from __future__ import annotations

import functools
import inspect
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests

from flows.engine.graph.dvc_yaml import load_pipeline
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.stage import Artifact, Stage
from flows.engine.project import ROOT
from tasks.archives import measure_file
from tasks.report import Silent
from tests.tasks.audio.sounds import COLUMNS, make_noise, make_row, write_sound
from tests.tasks.images.pictures import make_picture
from tests.tasks.text.tweets import make_lines

Files = dict[str, bytes]
STRAY = b"no example"


def make_jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    make_picture(seed).save(file, "JPEG")
    return file.getvalue()


def make_folders(root: str, splits: dict[str, int], classes: list[str], suffix: str) -> Files:
    """Return pictures in `root/SPLIT/CLASS/`, as many of each class as the split says."""
    names = [f"{root}/{s}/{c}/{n}.{suffix}" for s, count in splits.items() for c in classes for n in range(count)]
    return {name: make_jpeg(seed) for seed, name in enumerate(names)}


def make_imagenette() -> Files:
    pictures = make_folders("imagenette2-160", {"train": 18, "val": 4}, [f"n0{n}" for n in range(10)], "JPEG")
    return pictures | {"imagenette2-160/noisy_imagenette.csv": STRAY, "imagenette2-160/train/.DS_Store": STRAY}


def make_bees() -> Files:
    pictures = make_folders("hymenoptera_data", {"train": 18, "val": 4}, ["ants", "bees"], "jpg")
    return pictures | {"hymenoptera_data/train/ants/imageNet.gif": STRAY, "__MACOSX/hymenoptera_data/._x": STRAY}


def make_sounds(folder: Path) -> Files:
    """Return 50 classes with a clip in each of 5 folds, 10 of them in ESC-10, as GitHub packs the repository."""
    rows = [
        make_row(f"{fold}-{100 * target + fold}-A-{target}.wav", esc10=target % 5 == 0)
        for target in range(50)
        for fold in range(1, 6)
    ]
    sounds = {}
    for seed, row in enumerate(rows):
        write_sound(folder / "clip.wav", make_noise(seed, duration_s=0.05))
        sounds[f"audio/{row['filename']}"] = (folder / "clip.wav").read_bytes()
    table = [",".join(COLUMNS), *(",".join(str(row[name]) for name in COLUMNS) for row in rows)]
    others = {"meta/esc50.csv": "\n".join(table).encode(), "meta/esc50-human.xlsx": STRAY, "README.md": STRAY}
    return {f"ESC-50-33c8ce9eb2cf/{name}": content for name, content in (sounds | others).items()}


def make_tweets() -> Files:
    random = np.random.default_rng(1)
    words = [f"w{n}" for n in range(500)]
    texts = [" ".join(random.choice(words, 8)) + " caf\xe9" for _ in range(150)]
    lines = make_lines([("04"[n % 2], text) for n, text in enumerate(texts)])
    tested = make_lines([("024"[n % 3], text) for n, text in enumerate(texts[120:])])
    return {
        "training.1600000.processed.noemoticon.csv": "\n".join(lines[:120]).encode("latin-1"),
        "testdata.manual.2009.06.14.csv": "\n".join(tested).encode("latin-1"),
    }


def make_list(site: str) -> bytes:
    """Return a list of addresses, one in six of them dead."""
    rows = [
        (f"{site}/{'gone' if n % 6 == 5 else split}-{kind}-{n}.jpg", kind, split)
        for split in ("train", "val", "test")
        for kind in ("cat", "fish")
        for n in range(12)
    ]
    return "\n".join(["url,class,type", *(",".join(row) for row in rows)]).encode()


def write_zip(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_tgz(path: Path, files: Files) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server on loopback, and the folder of its files."""
    folder = tmp_path_factory.mktemp("site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    write_tgz(folder / "imagenette2-160.tgz", make_imagenette())
    write_zip(folder / "hymenoptera_data.zip", make_bees())
    write_zip(folder / "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip", make_sounds(folder))
    write_zip(folder / "trainingandtestdata.zip", make_tweets())
    (folder / "images.csv").write_bytes(make_list(address))
    for seed, line in enumerate(make_list(address).decode().splitlines()[1:]):
        if "gone" not in line:
            (folder / PurePosixPath(line.partition(",")[0]).name).write_bytes(make_jpeg(seed))
    yield address, folder
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def asked(site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were asked for; the server on loopback answers for them all."""
    addresses, get = [], requests.get

    def get_here(address: str, **keys: Any) -> requests.Response:
        addresses.append(address)
        return get(f"{site[0]}/{PurePosixPath(address).name}", **keys)

    monkeypatch.setattr(requests, "get", get_here)
    return addresses


# Of each preset: the examples that its data has here, and the section whose place and digest lead to the data.
PRESETS = {
    "audio-esc10": (50, "source.archive"),
    "audio-esc50": (250, "source.archive"),
    "images-ants-and-bees": (44, "source.archive"),
    "images-catfish": (60, "addresses.file"),
    "images-imagenette": (220, "source.archive"),
    "text-sentiment140": (140, "source.archive"),
}


SHORT = {
    "audio": ["recipe.lr=0.001", "folds.mode=holdout"],
    "images": ["recipe.lr=0.001", *(f"sizes.{size}.epochs=1" for size in ("small", "medium", "large"))],
    "text": ["recipe.lr=0.001", "pretrain.epochs=1"],
}
NARROW = {"xresnet", "melnet"}  # networks whose width is a param: the widths of the presets take a minute each
OWN_DATA = ["images-photos"]  # presets without an address: their data is the user's


def test_each_preset_is_run_here() -> None:
    assert sorted([*PRESETS, *OWN_DATA]) == sorted(path.stem for path in (ROOT / "params/presets").glob("*.yaml"))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_runs_without_another_argument(
    preset: str, site: tuple[str, Path], asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)  # the process that tries the export must not take tests/tasks for tasks
    examples, key = PRESETS[preset]
    flow, _, name = preset.partition("-")
    section, place = key.split(".")
    committed: Any = read_changed(flow, preset=name, overrides=[])
    found = getattr(committed, section)
    assert found.digest, "what is published has a digest"
    address = getattr(found, place).split()[0]

    digest = measure_file(site[1] / PurePosixPath(address).name)
    private = ["addresses.allow_private=true"] if flow == "images" else []
    short = (
        SHORT[flow] if flow == "images" else [*SHORT[flow], *(f"members.{one}.epochs=1" for one in committed.members)]
    )
    short += ["compute.threads=1"]  # the tests beside it want a core too
    short += [f"members.{one}.width=8" for one, member in committed.members.items() if member.network in NARROW]
    params = read_changed(flow, preset=name, overrides=[f"{section}.digest={digest}", *private, *short])
    for stage in load_pipeline(flow).trace(params):
        run(stage, tmp_path)

    assert asked == [address]
    assert json.loads((tmp_path / f"{flow}-clean/report.json").read_text())["examples"] == examples
    rounds = json.loads((tmp_path / f"{flow}-folds/folds.json").read_text())["rounds"]
    assert all(each["train"] and each["test"] for each in rounds)
    model = import_module(f"tasks.{flow}.predict").open_model(tmp_path / f"{flow}-export" / "model.pt")
    (predicted,) = model.predict(pd.DataFrame({model.column: [model.draw_example()]})).to_dict("records")
    assert list(predicted) == model.labels and sum(predicted.values()) == pytest.approx(1)


def test_data_of_your_own_takes_the_place_of_a_presets() -> None:
    params: Any = read_changed("audio", preset="esc10", overrides=["source.archive=../My sounds.zip", "source.digest="])
    assert params.source.files() == ("../My sounds.zip",)
    assert params.clean.only_esc10, "the preset's other settings stay"


def run(stage: Stage, place: Path) -> None:
    """Call a stage's function, with its folders below `place`."""
    given = {
        "out": place / stage.name,
        "report": Silent(),
        "downloads": place / "downloads",
        "checkpoints": place / "checkpoints" / stage.name,
    }
    for folder in ("out", "checkpoints"):
        given[folder].mkdir(parents=True, exist_ok=True)
    wanted = inspect.signature(stage.function).parameters
    arguments = {name: find_folders(value, place) for name, value in stage.arguments.items()}
    stage.function(**arguments, **{name: value for name, value in given.items() if name in wanted})


def find_folders(value: Any, place: Path) -> Any:
    """Return an argument with each artifact replaced by its folder."""
    if isinstance(value, list | tuple):
        return [find_folders(each, place) for each in value]
    return place / value.stage / value.file if isinstance(value, Artifact) else value
