"""One clean table for every domain: the columns that later stages rely on, labels by place, no row lost in silence."""

import json
from pathlib import Path

import pytest

from tasks.audio.clean import CLIP_COLUMNS
from tasks.clean_table import COLUMNS, Dropped, write_examples, write_summary
from tasks.images.clean import PICTURE_COLUMNS
from tasks.tables import read_classes, read_rows
from tasks.text.cleaned import SCHEMA

CLASSES = [{"category": "sea, waves", "examples": 1}, {"category": "dog", "examples": 2}]
ROWS = [{"category": name, "fold": "", "group": n} for n, name in enumerate(("dog", "sea, waves", "dog"))]


@pytest.mark.parametrize("columns", [CLIP_COLUMNS, PICTURE_COLUMNS, SCHEMA.names], ids=["audio", "images", "text"])
def test_every_domain_s_examples_have_what_later_stages_read(columns: list[str]) -> None:
    assert columns[0] == "example" and set(COLUMNS) <= set(columns)


def test_examples_are_numbered_and_labelled_by_the_place_of_their_class(tmp_path: Path) -> None:
    write_examples(tmp_path, COLUMNS, ROWS, CLASSES)
    rows = read_rows(tmp_path / "examples.csv")
    assert [(row["example"], row["label"], row["group"]) for row in rows] == [
        ("0", "1", "0"),
        ("1", "0", "1"),
        ("2", "1", "2"),
    ]


@pytest.mark.parametrize("missing", COLUMNS)
def test_a_table_without_a_column_of_the_contract_is_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ValueError, match=rf"examples\.csv needs .*; {missing} is missing"):
        write_examples(tmp_path, [name for name in COLUMNS if name != missing], ROWS, CLASSES)


def test_the_summary_counts_classes_and_what_was_set_aside_by_kind(tmp_path: Path) -> None:
    dropped = [Dropped("a", "silent: -70 dB"), Dropped("b", "silent: -90 dB"), Dropped("c", "empty")]
    write_summary(tmp_path, CLASSES, dropped, {"groups": 3})
    assert read_classes(tmp_path) == ["sea, waves", "dog"]
    assert [row["label"] for row in read_rows(tmp_path / "classes.csv")] == ["0", "1"]
    assert read_rows(tmp_path / "dropped.csv") == [{"file": one.file, "reason": one.reason} for one in dropped]
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "examples": 3,
        "groups": 3,
        "classes": {"sea, waves": 1, "dog": 2},
        "dropped": {"silent": 2, "empty": 1},
    }


def test_that_nothing_was_set_aside_is_said_too(tmp_path: Path) -> None:
    write_summary(tmp_path, CLASSES, [], {})
    assert (tmp_path / "dropped.csv").read_text() == "file,reason\n"
    assert json.loads((tmp_path / "report.json").read_text())["dropped"] == {}
