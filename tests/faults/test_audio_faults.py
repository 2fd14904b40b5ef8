"""Invalid input gives one clear message, and no earlier output is lost."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.audio_project import (
    ArchiveChange,
    AudioProject,
    Bomb,
    Escaping,
    WithBadFiles,
    WithLabelOutside,
    WithoutClassInFold,
    WithoutColumn,
)


def assert_refused(project: AudioProject, before: dict[str, str], output: str, *words: str) -> None:
    """The message says the words, in one piece and without a traceback; all outputs are as they were."""
    assert "Traceback" not in output, output
    assert output.count("error:") == 1, output
    for word in words:
        assert word in output, output
    assert project.snapshot() == before
    assert not list((project.root / ".trifold/work").glob("*")), "no half-written output is left"


ARCHIVES: dict[str, tuple[ArchiveChange, str, tuple[str, ...]]] = {
    "a path that leads out": (Escaping(), "download", ("../outside.txt",)),
    "a zip bomb": (Bomb(), "download", ("max_unpacked_mb",)),
    "a missing column": (WithoutColumn(), "clean", ("category",)),
    "a label outside the classes": (WithLabelOutside(), "clean", ("-3",)),
    "a class missing in a fold": (WithoutClassInFold(), "folds", ("fold 5",)),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_a_bad_archive_is_refused_by_the_stage_that_sees_it(project: AudioProject, tmp_path: Path, case: str) -> None:
    change, failing, words = ARCHIVES[case]
    project.use_source(project.remake_archive(tmp_path / "bad.zip", change))
    for stage in ("download", "check-shard-0", "clean", "folds"):
        if stage == failing:
            break
        project.run_stage(stage).check()
    before = project.snapshot()
    done = project.run_stage(failing)
    assert done.code == 1
    assert_refused(project, before, done.output, *words)
    assert not (project.root.parent / "outside.txt").exists()
    assert not list((project.root / ".trifold").rglob("outside.txt"))


def test_a_truncated_archive_is_refused(project: AudioProject, tmp_path: Path) -> None:
    whole = project.root / "data/audio/sample/archive.zip"
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-1000])
    project.use_source(cut, f"sha256:{(whole.parent / 'archive.sha256').read_text().strip()}")
    before = project.snapshot()
    done = project.run_stage("download")
    assert done.code == 1
    assert_refused(project, before, done.output, "sha256", "cut.zip")


def test_a_truncated_archive_without_a_digest_is_refused(project: AudioProject, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes((project.root / "data/audio/sample/archive.zip").read_bytes()[:-1000])
    project.use_source(cut)
    before = project.snapshot()
    done = project.run_stage("download")
    assert done.code == 1
    assert_refused(project, before, done.output, "cut.zip")


def test_a_wrong_checksum_is_refused(project: AudioProject, tmp_path: Path) -> None:
    archive = shutil.copy(project.root / "data/audio/sample/archive.zip", tmp_path / "whole.zip")
    project.use_source(Path(archive), f"sha256:{'0' * 64}")
    before = project.snapshot()
    done = project.run_stage("download")
    assert done.code == 1
    assert_refused(project, before, done.output, "0" * 64, "source.digest")


def test_a_folder_outside_the_project_is_an_input(project: AudioProject, tmp_path: Path) -> None:
    folder = tmp_path / "my sounds"
    shutil.unpack_archive(project.root / "data/audio/sample/archive.zip", folder)
    project.use_source(folder)
    assert "my sounds: " in project.run_stage("download").check().output
    assert "up to date" in project.call("python", "-m", "dvc", "status", "audio-download").check().output

    sound = next(folder.rglob("*.wav"))
    sound.rename(sound.with_name("0-0-A-0.wav"))
    rows = json.loads(project.call("python", "-m", "flows", "status", "audio", "--json").check().output)
    assert [f"{folder} changed"] in [row["reasons"] for row in rows if row["stage"] == "audio-download"]
    project.run_stage("download").check()
    assert project.extract("audio", "0-0-A-0.wav").is_file()

    folder.rename(tmp_path / "moved")
    refused = project.run_stage("download")
    assert refused.code == 1
    assert "my sounds, which does not exist: correct the path in --set or in params/audio.yaml" in refused.output


def test_bad_files_are_set_aside_with_their_reason(project: AudioProject, tmp_path: Path) -> None:
    project.use_source(project.remake_archive(tmp_path / "bad.zip", WithBadFiles()))
    for stage in ("download", "check-shard-0", "clean"):
        project.run_stage(stage).check()
    with (project.root / "data/audio/clean/dropped.csv").open() as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert any("empty" in reason for reason in reasons)
    assert any("not audio" in reason or "unreadable" in reason for reason in reasons)


def test_data_that_were_not_checked_are_refused_by_the_clean_stage_alone(project: AudioProject, tmp_path: Path) -> None:
    shutil.copytree(project.extract("audio", "*.wav").parents[1], tmp_path / "sounds")
    sound = next((tmp_path / "sounds").rglob("*.wav"))
    for name in ("dog/1.wav", "cat/2.wav"):
        (tmp_path / "own" / name).parent.mkdir(parents=True)
        shutil.copy(sound, tmp_path / "own" / name)
    project.use_source(tmp_path / "own")
    project.run_stage("download").check()
    before = project.snapshot()
    assert_refused(project, before, project.run_stage("clean").output, "cat/2.wav was not checked", "dvc repro")


PARAMS = {
    "n_mels 0": ("spectrogram.n_mels=0", ("spectrogram.n_mels", "0")),
    "clip_s 0": ("spectrogram.clip_s=0", ("spectrogram.clip_s", "0")),
    "one fold": ("folds.n_folds=1", ("folds.n_folds", "1")),
    "an unknown network": ("members.melnet.network=wavenet", ("wavenet", "melnet")),
    "an unknown key": ("spectrogram.n_melz=64", ("n_melz", "n_mels")),
    "a text for a number": ("spectrogram.n_mels=many", ("spectrogram.n_mels", "many")),
    "a password in an address": ("source.archive=https://me:hush@host/a.zip", ("source", "~/.netrc")),
    "an unknown member": ("members.nobody.epochs=3", ("members.nobody.network is missing",)),
}


@pytest.mark.parametrize("case", PARAMS)
def test_a_param_that_makes_no_sense_is_refused_before_anything_is_written(project: AudioProject, case: str) -> None:
    override, words = PARAMS[case]
    files = {name: (project.root / name).read_bytes() for name in ("params/audio.yaml", "dvc.yaml")}
    before = project.snapshot()
    done = project.call("python", "-m", "flows", "run", "audio", "--set", override)
    assert done.code == 1
    assert_refused(project, before, done.output, *words)
    assert "hush" not in done.output
    assert {name: (project.root / name).read_bytes() for name in files} == files


def test_all_faults_of_a_params_file_are_named_at_once(project: AudioProject) -> None:
    project.set_param("spectrogram.n_mels", "0")
    project.set_param("source.timeout_s", "soon")
    done = project.call("python", "-m", "flows", "graph")
    assert done.code == 1
    assert "spectrogram.n_mels" in done.output
    assert "source.timeout_s" in done.output


def test_a_corrupted_weights_file_is_refused(project: AudioProject, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"no weights at all")
    project.set_param("recipe.weights", str(weights))
    project.call("python", "-m", "flows", "graph", "--write").check()
    project.update_code()
    before = project.snapshot()
    done = project.run_stage("lr-melnet-fold5")
    assert done.code == 1
    assert_refused(project, before, done.output, "weights.pt")


def test_a_folder_that_cannot_be_written_is_named(project: AudioProject) -> None:
    shutil.rmtree(project.root / ".trifold/work", ignore_errors=True)
    # Nobody, not even the superuser, makes a folder where a file is.
    (project.root / ".trifold/work").write_text("in the way")
    project.set_param("clean.silence_db", "-50")
    before = project.snapshot()
    done = project.run_stage("clean")
    assert done.code == 1
    assert "Traceback" not in done.output, done.output
    assert ".trifold/work" in done.output
    assert project.snapshot() == before


def test_a_full_disk_is_named_and_loses_nothing(project: AudioProject) -> None:
    project.set_param("spectrogram.hop_samples", "4")
    project.update_code()
    before = project.snapshot()
    # A limit on the size of files stands in for the full disk: the kernel refuses the write half-way just so.
    done = project.call("python", "-m", "flows", "stage", "audio-spectrograms-shard-0", TEST_FILE_LIMIT_BYTES="4000000")
    assert done.code == 1
    assert_refused(project, before, done.output, "spectrograms")
