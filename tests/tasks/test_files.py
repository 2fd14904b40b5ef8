"""A data set in shards: the same files give the same bytes, another file changes one shard, no name is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.audio.clean import Clean
from tasks.features import open_features
from tasks.files import choose_shard, find_file, list_folder, list_shards, name_shard
from tasks.images.clean import CleanPictures
from tasks.images.resize import resize_pictures
from tasks.report import Silent
from tasks.shard_tables import name_kept, read_kept
from tasks.tables import read_rows
from tests.tasks.audio.sounds import make_noise, write_sound
from tests.tasks.images.pictures import write_picture
from tests.tasks.shards import clean_packed_clips, clean_packed_pictures, make_features, pack

NAMES = ["a.txt", "b/a.txt", "b/é.txt", "b/caf\udce9.txt", f"{'long' * 50}/{'name' * 50}.txt", *map(str, range(40))]
CLEAN = CleanPictures(min_side_px=8, max_pixels=10**6, near_duplicate_bits=-1, group_bits=-1, min_per_class=1)


def write_files(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"content of {name}".encode("utf-8", "surrogateescape"))
    return folder


@pytest.mark.parametrize("shards", [1, 3, 100])
def test_each_file_is_in_one_shard_with_its_name_and_content(tmp_path: Path, shards: int) -> None:
    folder = write_files(tmp_path / "data", NAMES)
    packed = pack(folder, tmp_path / "packed", shards)
    files = [file for found in list_shards(packed) for file in found]
    assert len(list_shards(packed)) == shards
    assert {file.name: file.read() for file in files} == {file.name: file.read() for file in list_folder(folder)}
    assert all(find_file(packed, name).read() == (folder / name).read_bytes() for name in NAMES)
    assert sorted(path.name for path in packed.iterdir()) == sorted(name_shard(number) for number in range(shards))


def test_another_file_changes_one_shard(tmp_path: Path) -> None:
    before = pack(write_files(tmp_path / "data", NAMES), tmp_path / "before", 5)
    os.utime(tmp_path / "data" / "a.txt", (1, 1))
    after = pack(write_files(tmp_path / "data", ["new.txt"]), tmp_path / "after", 5)
    changed = [n for n in range(5) if (before / name_shard(n)).read_bytes() != (after / name_shard(n)).read_bytes()]
    assert changed == [choose_shard("new.txt", 5)]


def test_pictures_in_shards_are_cleaned_as_those_in_one(tmp_path: Path) -> None:
    for seed in range(12):
        write_picture(tmp_path / "data" / ("ants", "bees")[seed % 2] / f"{seed}.png", seed)
    write_picture(tmp_path / "data/ants/again.png", 0)
    (tmp_path / "data/bees/x.png").write_bytes(b"no picture")
    tables, squares = {}, {}
    for shards in (1, 4):
        packed, out = pack(tmp_path / "data", tmp_path / f"packed{shards}", shards), tmp_path / f"clean{shards}"
        out.mkdir()
        clean_packed_pictures(packed, CLEAN, out)
        tables[shards] = read_rows(out / "examples.csv")
        assert sorted((out / "dropped.csv").read_text().splitlines()) == sorted(
            (tmp_path / "clean1/dropped.csv").read_text().splitlines()
        )
        kept = [read_kept(packed / name_shard(n), out / name_kept(n)) for n in range(shards)]
        assert [file.name for files in kept for file in files] == [row["file"] for row in tables[shards]]

        def compute(shard: Path, names: Path, folder: Path) -> None:
            resize_pictures(shard, names, pixels=8, out=folder, report=Silent())

        folders = make_features(packed, out, tmp_path / f"squares{shards}", compute)
        features = open_features(folders)
        squares[shards] = {row["file"]: features[n].tobytes() for n, row in enumerate(tables[shards])}
    assert squares[1] == squares[4]
    assert {row["file"]: row["label"] for row in tables[1]} == {row["file"]: row["label"] for row in tables[4]}


def test_sounds_in_shards_are_cleaned_as_those_in_one(tmp_path: Path) -> None:
    table = "filename,category\n"
    for seed in range(10):
        write_sound(tmp_path / "data" / f"audio/{seed}.wav", make_noise(seed))
        table += f"{seed}.wav,{('dog', 'cat')[seed % 2]}\n"
    write_sound(tmp_path / "data/audio/again.wav", make_noise(0))
    (tmp_path / "data/meta.csv").write_text(f"{table}again.wav,dog\ngone.wav,cat\n")
    rows = {}
    for shards in (1, 4):
        packed, out = pack(tmp_path / "data", tmp_path / f"packed{shards}", shards), tmp_path / f"clean{shards}"
        out.mkdir()
        clean_packed_clips(packed, Clean(silence_db=-60, trim_db=0, only_esc10=False), out)
        rows[shards] = {row["file"]: row["label"] for row in read_rows(out / "examples.csv")}
        assert (out / "dropped.csv").read_text() == (tmp_path / "clean1/dropped.csv").read_text()
        kept = [read_kept(packed / name_shard(n), out / name_kept(n)) for n in range(shards)]
        assert [file.name for files in kept for file in files] == list(rows[shards])
    assert rows[1] == rows[4] and len(rows[1]) == 10
