"""The embedded data has the same bytes everywhere, and has flaws as real data does."""

import zipfile
from pathlib import Path

import pytest

from tasks.audio.clean import Clean
from tasks.audio.sample import SampleSection, make_sample
from tasks.download import ShardedSource, download_shards
from tasks.folds import Folds, split_folds
from tasks.report import Silent
from tasks.tables import read_rows
from tests.tasks.shards import clean_packed_clips

# Of seed 2 with six clips: when the maker changes on purpose, so does this.
DIGEST = "1b8331e8f93852e6c6678a8c14bd7b32a238cee2337c3cf494c018e0effd5a7c"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    make_sample(SampleSection(clips_per_fold=6, seed=2), out=out, report=Silent())
    return out


def test_the_bytes_are_the_same_on_every_machine(sample: Path) -> None:
    assert (sample / "archive.sha256").read_text() == DIGEST + "\n"


def test_another_seed_is_another_data_set(tmp_path: Path) -> None:
    make_sample(SampleSection(clips_per_fold=6, seed=3), out=tmp_path, report=Silent())
    assert (tmp_path / "archive.sha256").read_text() != DIGEST + "\n"


def test_the_layout_is_esc50_s(sample: Path) -> None:
    with zipfile.ZipFile(sample / "archive.zip") as archive:
        lines = archive.read("ESC-50-sample/meta/esc50.csv").decode().splitlines()
        names = {name.rpartition("/")[2] for name in archive.namelist() if "/audio/" in name}
    assert lines[0] == "filename,fold,target,category,esc10,src_file,take"
    rows = [line.split(",") for line in lines[1:]]
    assert {row[0] for row in rows} == names
    assert all(row[0] == f"{row[1]}-{row[5]}-{row[6]}-{row[2]}.wav" for row in rows)


def test_it_goes_through_download_clean_and_folds(sample: Path, tmp_path: Path) -> None:
    archive, clips, folds, downloads = (tmp_path / name for name in ("archive", "clips", "folds", "downloads"))
    for folder in (archive, clips, folds, downloads):
        folder.mkdir()
    source = ShardedSource(archive="sample", digest="", max_unpacked_mb=10, timeout_s=1, shards=3)
    download_shards(source, sample, out=archive, report=Silent(), downloads=downloads)
    clean_packed_clips(archive, Clean(silence_db=-60, trim_db=0, only_esc10=False), clips)
    split_folds(clips, Folds(mode="cross_validation", n_folds=5, valid=4, test=5, seed=1), out=folds)
    rows = read_rows(clips / "examples.csv")
    assert len(rows) == 150
    assert len({row["group"] for row in rows}) == 100
    assert {(row["duration_s"], row["channels"]) for row in rows} == {
        ("1.0000", "1"), ("0.7000", "1"), ("1.4000", "1"), ("1.0000", "2"),
    }  # fmt: skip
    assert sorted(row["reason"].split(":")[0] for row in read_rows(clips / "dropped.csv")) == [
        "duplicate", "empty", "silent",
    ]  # fmt: skip
