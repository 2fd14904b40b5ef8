"""No row disappears silently: every unusable row is set aside with the reason."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.audio.clean import Clean
from tasks.errors import UserError
from tasks.tables import read_rows
from tests.tasks.audio.sounds import COLUMNS, make_noise, make_row, write_archive, write_sound
from tests.tasks.shards import clean_packed_clips, pack

GOOD = ["1-1-A-0.wav", "1-2-A-5.wav", "2-3-A-0.ogg", "2-4-A-5.flac", "1-1-B-0.wav"]


def clean(tmp_path: Path, rows: list[dict[str, object]], **keys: object) -> Path:
    archive, out = tmp_path / "archive", tmp_path / "out"
    columns = [name for name in COLUMNS if name in rows[0]]
    write_archive(archive, rows, columns)
    return run_clean(archive, out, **keys)


def run_clean(archive: Path, out: Path, **keys: object) -> Path:
    out.mkdir()
    section = Clean.model_validate({"silence_db": -60.0, "trim_db": 0.0, "only_esc10": False} | keys)
    clean_packed_clips(pack(archive, out.with_name(f"{out.name}-shards")), section, out)
    return out


def test_a_clean_table_says_what_each_clip_is(tmp_path: Path) -> None:
    write_sound(tmp_path / "archive/set/audio/1-2-A-5.wav", make_noise(9, 0.25, 16000, channels=2), 16000)
    out = clean(tmp_path, [make_row(name) for name in GOOD])
    rows = read_rows(out / "examples.csv")
    assert rows[1] == {
        "example": "1", "file": "set/audio/1-2-A-5.wav", "fold": "1", "split": "", "label": "1", "category": "class5",
        "group": "2", "duration_s": "0.2500", "sample_rate_hz": "16000", "channels": "2",
    }  # fmt: skip
    assert [row["label"] for row in rows] == ["0", "1", "0", "1", "0"]
    assert read_rows(out / "classes.csv") == [
        {"label": "0", "category": "class0", "target": "0", "examples": "3"},
        {"label": "1", "category": "class5", "target": "5", "examples": "2"},
    ]
    assert read_rows(out / "dropped.csv") == []
    summary = json.loads((out / "report.json").read_text())
    assert summary["examples"] == 5
    assert summary["channels"] == {"1": 4, "2": 1}
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in ("balance.png", "durations.png"))


def break_file(audio: Path, fault: str) -> None:
    path = audio / "1-9-A-0.wav"
    match fault:
        case "missing":
            path.unlink()
        case "zero bytes":
            path.write_bytes(b"")
        case "no samples":
            write_sound(path, make_noise(1, 0))
        case "text":
            path.write_text("<html>not a sound</html>")
        case "cut header":
            path.write_bytes(path.read_bytes()[:20])
        case "silent":
            write_sound(path, np.full((4000, 1), 0.0005, np.float32))
        case "zeros":
            write_sound(path, np.zeros((4000, 1), np.float32))
        case "duplicate":
            path.write_bytes((audio / "1-1-A-0.wav").read_bytes())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("missing", "missing: no such file in the archive"),
        ("zero bytes", "empty: a file of zero bytes"),
        ("no samples", "empty: no samples"),
        ("text", "unreadable: Format not recognised."),
        ("cut header", "unreadable:"),
        ("silent", "silent: its loudest sample is -66.2 dB, below silence_db -60"),
        ("zeros", "silent: its loudest sample is -inf dB"),
        ("duplicate", "duplicate: the same samples as 1-1-A-0.wav (class0, fold 1)"),
    ],
)
def test_a_file_that_cannot_be_used_is_set_aside(tmp_path: Path, fault: str, reason: str) -> None:
    archive = tmp_path / "archive"
    audio = write_archive(archive, [make_row(name) for name in [*GOOD, "1-9-A-0.wav"]])
    break_file(audio, fault)
    out = run_clean(archive, tmp_path / "out")
    (dropped,) = read_rows(out / "dropped.csv")
    assert dropped["file"] == "1-9-A-0.wav"
    assert dropped["reason"].startswith(reason)
    assert len(read_rows(out / "examples.csv")) == len(GOOD)
    assert json.loads((out / "report.json").read_text())["dropped"] == {reason.split(":")[0]: 1}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"target": "dog"}, "label outside the classes: target 'dog' is no whole number"),
        ({"target": "-1"}, "label outside the classes: target '-1'"),
        ({"target": "1.5"}, "label outside the classes: target '1.5'"),
        ({"target": ""}, "label outside the classes: target ''"),
        ({"category": "class5"}, "label outside the classes: target 0 and category 'class5' contradict"),
        ({"fold": "x"}, "fold 'x' is no whole number"),
        ({"filename": "1-1-A-0.wav"}, "named twice"),
        ({"filename": "../audio/1-9-A-0.wav"}, "missing: no such file in the archive"),
    ],
)
def test_a_row_that_cannot_be_right_is_set_aside(tmp_path: Path, changed: dict[str, object], reason: str) -> None:
    out = clean(tmp_path, [*(make_row(name) for name in GOOD), make_row("1-9-A-0.wav", **changed)])
    (dropped,) = read_rows(out / "dropped.csv")
    assert dropped["reason"].startswith(reason)
    assert len(read_rows(out / "examples.csv")) == len(GOOD)


def test_the_small_subset_is_chosen_by_its_column(tmp_path: Path) -> None:
    out = clean(tmp_path, [make_row(name) for name in GOOD], only_esc10=True)
    assert {row["category"] for row in read_rows(out / "examples.csv")} == {"class0"}


def test_data_without_folds_leaves_them_empty(tmp_path: Path) -> None:
    rows = [{key: value for key, value in make_row(name).items() if key != "fold"} for name in GOOD]
    assert {row["fold"] for row in read_rows(clean(tmp_path, rows) / "examples.csv")} == {""}


@pytest.mark.parametrize(
    ("lacking", "keys", "message"),
    [
        (["target", "category"], {}, r"esc50\.csv lacks a column with the class of each sound; it has filename, fold"),
        (["esc10"], {"only_esc10": True}, "lacks the column esc10"),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, lacking: list[str], keys: dict[str, object], message: str) -> None:
    archive = tmp_path / "archive"
    columns = [name for name in COLUMNS if name not in lacking]
    write_archive(archive, [make_row(name) for name in GOOD], columns)
    with pytest.raises(UserError, match=message):
        run_clean(archive, tmp_path / "out", **keys)


def test_a_class_without_a_usable_clip_is_refused(tmp_path: Path) -> None:
    audio = write_archive(tmp_path / "archive", [make_row(name) for name in [*GOOD, "1-9-A-7.wav"]])
    (audio / "1-9-A-7.wav").write_text("no sound")
    with pytest.raises(UserError, match=r"No clip of class class7 is usable \(for example 1-9-A-7.wav: unreadable"):
        run_clean(tmp_path / "archive", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_table_without_a_usable_clip_is_refused_with_the_counts_of_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"None of the 5 clips is usable \(5 silent; for example "):
        clean(tmp_path, [make_row(name) for name in GOOD], silence_db=0)


@pytest.mark.parametrize(
    ("tables", "keys", "message"),
    [
        ([], {}, "No table lists the sounds by a column filename, .* and they are in no class folders"),
        ([], {"only_esc10": True}, r"no table that lists its sounds \(at its top: pictures\), and clean.only_esc10"),
        (["a/meta/esc50.csv", "b/meta/esc50.csv"], {}, r"2 tables that list sounds \(a/meta/esc50.csv, b/meta/"),
    ],
)
def test_an_archive_in_another_layout_is_named(
    tmp_path: Path, tables: list[str], keys: dict[str, object], message: str
) -> None:
    archive = tmp_path / "archive"
    for name in ("pictures/x.jpg", *tables):
        (archive / name).parent.mkdir(parents=True, exist_ok=True)
        (archive / name).write_text("filename,category\nx.wav,a\n" if name in tables else "")
    with pytest.raises(UserError, match=message):
        run_clean(archive, tmp_path / "out", **keys)


def test_the_tables_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_archive(tmp_path / "archive", [make_row(name) for name in GOOD])
    first, second = (run_clean(tmp_path / "archive", tmp_path / name) for name in ("first", "second"))
    assert len(list(first.iterdir())) == 7
    assert all((second / path.name).read_bytes() == path.read_bytes() for path in first.iterdir())
