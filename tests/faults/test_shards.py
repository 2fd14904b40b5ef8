"""Data in shards: another file computes one shard anew, under both drivers; the features are those of one shard."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tasks.features import open_features
from tasks.files import choose_shard
from tasks.tables import read_rows
from tests.audio_project import FEATURES, AudioProject

SHARDS = 4


def write_sounds(project: AudioProject, folder: Path) -> Path:
    """Write the sample's sounds into class folders."""
    for n, row in enumerate(read_rows(project.root / "data/audio/clean/examples.csv")):
        place = folder / row["category"] / f"{n}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(project.extract("audio", Path(row["file"]).name), place)
    return folder


def read_features(project: AudioProject, shards: int) -> dict[str, bytes]:
    """Return the spectrogram of each sound."""
    rows = read_rows(project.root / "data/audio/clean/examples.csv")
    features = open_features([project.root / f"data/audio/spectrograms-shard-{n}" for n in range(shards)])
    assert len(features) == len(rows)
    return {row["file"]: features[n].tobytes() for n, row in enumerate(rows)}


def repro(project: AudioProject) -> set[str]:
    """Bring the features up to date with `dvc repro`; return the stages that were computed."""
    done = project.call("python", "-m", "dvc", "repro", FEATURES).check()
    return set(re.findall(r"Running stage 'audio-(.*)'", done.output))


def list_states(project: AudioProject, state: str) -> list[str]:
    rows = json.loads(project.call("python", "-m", "flows", "status", "audio", "--json").check().output)
    return [row["stage"] for row in rows if row["state"] == state]


@pytest.fixture
def in_shards(project: AudioProject, tmp_path: Path) -> AudioProject:
    project.use_source(write_sounds(project, tmp_path / "sounds"))
    repro(project)
    before = read_features(project, 1)
    project.set_param("source.shards", str(SHARDS))
    project.call("python", "-m", "flows", "graph", "--write").check()
    assert {f"check-shard-{n}" for n in range(SHARDS)} <= repro(project)
    assert read_features(project, SHARDS) == before
    return project


def test_another_file_computes_its_shard_and_no_other(in_shards: AudioProject, tmp_path: Path) -> None:
    assert set(list_states(in_shards, "fresh")) > {f"audio-spectrograms-shard-{n}" for n in range(SHARDS)}
    before = read_features(in_shards, SHARDS)
    first = next((tmp_path / "sounds").rglob("*.wav"))
    new = first.with_name("new.wav")
    new.write_bytes(first.read_bytes()[:-200])
    number = choose_shard(f"{new.parent.name}/new.wav", SHARDS)
    computed = repro(in_shards)
    assert {name for name in computed if "shard" in name} == {f"check-shard-{number}", f"spectrograms-shard-{number}"}
    assert {"download", "clean"} <= computed
    after = read_features(in_shards, SHARDS)
    assert {name: after[name] for name in before} == before and len(after) == len(before) + 1
