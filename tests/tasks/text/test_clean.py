"""No tweet disappears in silence: what cannot be used is set aside, with the line and the reason."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.errors import UserError
from tasks.report import Silent
from tasks.tables import read_classes, read_rows
from tasks.text.clean import clean_tweets
from tasks.text.sections import CleanTweets
from tests.tasks.text.tweets import GOOD, PLAIN, make_line, make_lines, read_reasons, read_texts, run_clean


def test_a_clean_table_says_what_each_tweet_is(tmp_path: Path) -> None:
    test = [make_line("4", "so much better now :)", date="Mon May 11 03:17:40 UTC 2009", user="tess")]
    out = run_clean(tmp_path, make_lines(GOOD), test)
    rows = read_rows(out / "examples.csv")
    assert rows[0] == {
        "example": "0", "fold": "", "split": "test", "label": "1", "category": "positive", "group": "0",
        "user": "tess", "date": "2009-05-11 03:17:40", "text": "so much better now :)",
    }  # fmt: skip
    assert rows[1]["date"] == "2009-04-07 05:19:45"
    assert [row["split"] for row in rows] == ["test", *["train"] * 4]
    assert [row["example"] for row in rows] == list("01234")
    assert read_classes(out) == ["negative", "positive"]
    assert read_rows(out / "classes.csv")[1] == {"label": "1", "category": "positive", "examples": "3"}
    assert json.loads((out / "clean.json").read_text()) == {
        "mark_addresses": True, "mark_names": True, "shorten_elongated": True,
    }  # fmt: skip
    summary = json.loads((out / "report.json").read_text())
    assert summary["examples"] == 5
    assert summary["splits"] == {"test": 1, "train": 4}
    assert summary["words"]["longest"] == 5
    assert summary["scripts"] == {"ascii": 5}
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in ("balance.png", "lengths.png"))
    assert (out / "sample.csv").read_bytes() == (out / "examples.csv").read_bytes()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('"0","1","d","NO_QUERY"', "columns: 4 where 6 are needed"),
        ('"0","1","d","q","u","text","more"', "columns: 7 where 6 are needed"),
        ('"0","1","d","q","u","never closed', "quote never closed"),
        ('"0","1","d","q","u","a "stray" one"', "stray quote: "),
        ("", "blank line"),
        (make_line("3", "no such label"), "unknown label: '3' is none of 0 (negative), 2 (neutral) and 4 (positive)"),
        (make_line("polarity", "a header"), "unknown label: 'polarity'"),
        (make_line("2", "the meeting is at nine"), "neutral: left out"),
        (make_line("0", "   "), "empty: no text beside @names and web addresses"),
        (make_line("0", "@bob http://a.example"), "empty: "),
        (make_line("0", "x" * 1_000_000), "too long: 1000059 characters, above clean.max_chars 1000"),
        (make_line("0", "zero \0 byte"), "no text: it holds a zero byte"),
    ],
    ids=range(12),
)
def test_a_line_that_cannot_be_used_is_set_aside_alone(tmp_path: Path, line: str, reason: str) -> None:
    lines = make_lines(GOOD)
    out = run_clean(tmp_path, [*lines[:2], line, *lines[2:]])
    ((number, found_reason),) = read_reasons(out)
    assert number == 3
    assert found_reason.startswith(reason)
    assert read_texts(out) == [text for _, text in GOOD]
    assert json.loads((out / "report.json").read_text())["dropped"] == {reason.split(":")[0]: 1}
    assert len(read_rows(out / "dropped.csv")[0]["text"]) <= 140


def test_rows_repeated_are_kept_once_or_not_at_all(tmp_path: Path) -> None:
    rows = [*GOOD, ("0", "so tired"), ("0", "so tired"), ("0", "at  work"), ("4", "at work"), ("0", "the test has it")]
    out = run_clean(tmp_path, make_lines(rows), make_lines([("4", "the test has it"), ("4", "it has the test")]))
    assert [text for text in read_texts(out) if text not in [text for _, text in GOOD]] == [
        "the test has it", "it has the test", "so tired",
    ]  # fmt: skip
    summary = dict(read_reasons(out))
    assert summary[6].startswith("double: ")
    assert summary[7].startswith("contradiction: ") and summary[8].startswith("contradiction: ")
    assert summary[9].startswith("test text: ")


def test_the_hand_labelled_file_is_kept_as_published_or_not_read(tmp_path: Path) -> None:
    test = make_lines([("4", "same words"), ("4", "same words"), ("2", "at nine")])
    assert read_texts(run_clean(tmp_path / "a", make_lines(GOOD), test))[:2] == ["same words", "same words"]
    out = run_clean(tmp_path / "b", make_lines(GOOD), test, test_file="leave_out")
    assert read_texts(out) == [text for _, text in GOOD]
    assert read_reasons(out) == []


def test_a_training_text_of_a_test_text_s_words_is_set_aside(tmp_path: Path) -> None:
    out = run_clean(
        tmp_path, make_lines([*GOOD, ("0", "Now: what a BAD day!")]), make_lines([("0", "what a bad day now")])
    )
    assert read_reasons(out) == [(5, "near a test text: the same words as a text of the hand-labelled file")]


def test_neutral_rows_may_be_a_class_of_their_own(tmp_path: Path) -> None:
    out = run_clean(tmp_path, make_lines([*GOOD, ("2", "the meeting is at nine")]), neutral="class")
    assert read_classes(out) == ["negative", "neutral", "positive"]
    assert [row["label"] for row in read_rows(out / "examples.csv")] == ["0", "2", "0", "2", "1"]


LATIN = [make_line("0", "déjà vu – naïve", user="u8").encode("cp1252"), make_line("4", "käse", user="u9").encode()]


@pytest.mark.parametrize(
    ("encoding", "texts", "dropped"),
    [
        ("auto", ["déjà vu – naïve", "käse"], 0),
        ("latin-1", ["déjà vu – naïve", "kÃ¤se"], 0),
        ("utf-8", ["käse"], 1),
    ],
)
def test_bytes_are_read_in_their_encoding(tmp_path: Path, encoding: str, texts: list[str], dropped: int) -> None:
    data = b"\n".join([*(line.encode() for line in make_lines(GOOD)), *LATIN])
    out = run_clean(tmp_path, data, encoding=encoding)
    assert read_texts(out)[4:] == texts
    assert [reason.split(":")[0] for _, reason in read_reasons(out)] == ["encoding"] * dropped


def test_line_ends_of_windows_and_values_without_quotes_are_read(tmp_path: Path) -> None:
    data = "\r\n".join([*make_lines(GOOD), "4,9,not a date,NO_QUERY,zoe,plain words here"]).encode()
    out = run_clean(tmp_path, data)
    assert read_rows(out / "examples.csv")[4] | {"group": ""} == {
        "example": "4", "fold": "", "split": "train", "label": "1", "category": "positive", "group": "", "user": "zoe",
        "date": "", "text": "plain words here",
    }  # fmt: skip
    assert json.loads((out / "report.json").read_text())["without_date"] == 1


def test_the_lines_of_many_blocks_keep_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.text import lines

    monkeypatch.setattr(lines.split_file, "__defaults__", (100,))
    rows = [("04"[n % 2] if n != 37 else "9", f"tweet number {n} of many") for n in range(50)]
    out = run_clean(tmp_path, make_lines(rows))
    assert [number for number, _ in read_reasons(out)] == [38]
    assert read_texts(out) == [text for label, text in rows if label != "9"]


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (b"", r"training\.csv: it is empty \(0 bytes\)"),
        (make_lines(GOOD[::2]), "Two classes or more are needed, and the usable rows have negative"),
        ([make_line("9", "text")], r"the usable rows have 9 \(1 rows usable, none set aside\)"),
        ([""], r"training\.csv: no separator \(comma, semicolon, tab or \|\) divides its lines"),
        (["a,b", "c,d"], r"training\.csv: no column is known for the label and the text: its first line has a, b"),
    ],
)
def test_a_file_that_no_classifier_can_learn_from_is_refused(
    tmp_path: Path, training: list[str] | bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run_clean(tmp_path, training)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tweets.xml").write_text("0")
    with pytest.raises(UserError, match=r"no table of texts \(\.csv, \.tsv or \.txt\), only tweets\.xml"):
        clean_tweets(tmp_path, CleanTweets.model_validate(PLAIN), out=tmp_path, report=Silent())


@pytest.mark.parametrize(
    "changed", [{"encoding": "utf-16"}, {"neutral": "third"}, {"max_chars": 10}, {"mark_names": 1}]
)
def test_sections_that_make_no_sense_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CleanTweets.model_validate(PLAIN | changed)


def test_the_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    first, second = (run_clean(tmp_path / name, make_lines(GOOD)) for name in ("a", "b"))
    assert all(path.read_bytes() == (second / path.name).read_bytes() for path in first.iterdir())
