"""Tables of texts are read with any separator, columns, labels and line ends."""

from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.tables import read_classes, read_rows
from tasks.text.layout import find_layout
from tasks.text.sections import CleanTweets
from tests.tasks.text.tweets import GOOD, PLAIN, make_line, make_lines, read_reasons, run_clean

LINES = make_lines(GOOD)
JOINED = "".join(f"{line}\n" for line in LINES)
HEADER = "target,ids,date,flag,user,text\n"
TWO = "text,label\n" + "".join(f'"{text}",{label}\n' for label, text in GOOD)
UNKNOWN = "nr\tstars\tsaid\n" + "".join(f"{n}\t{label}\t{text}\n" for n, (label, text) in enumerate(GOOD))
SENTIMENT = ["negative", "positive"]


def name_columns(**columns: str | int) -> dict[str, object]:
    return {"columns": PLAIN["columns"] | columns}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("data", "keys", "classes"),
    [
        (HEADER + JOINED, {}, SENTIMENT),
        (TWO, {}, SENTIMENT),
        (JOINED.replace('","', '";"'), {}, SENTIMENT),
        (JOINED.replace('","', '"\t"'), {}, SENTIMENT),
        (JOINED.replace('","', '", "'), {}, SENTIMENT),
        (JOINED.replace("\n", "\r\r\n"), {}, SENTIMENT),
        (JOINED.replace("\n", "\r"), {}, SENTIMENT),
        ("\ufeff" + JOINED, {}, SENTIMENT),
        (JOINED.replace('"4",', '"4.0",').replace('"0","', '"0.0","', 2), {}, SENTIMENT),
        (JOINED.replace('"4",', '"1",'), {}, SENTIMENT),
        (JOINED.replace('"4",', '"good",').replace('"0","', '"bad","'), {}, ["bad", "good"]),
        (JOINED, {"labels": {0: "sad", "4": "glad"}}, ["sad", "glad"]),
        (UNKNOWN, name_columns(label="stars", text="said"), SENTIMENT),
        (UNKNOWN.partition("\n")[2], name_columns(label=2, text=3), SENTIMENT),
        (JOINED.replace('","', '";"'), {"separator": ";"}, SENTIMENT),
        (UNKNOWN, {"separator": "tab", **name_columns(label="stars", text="said")}, SENTIMENT),
    ],
    ids=["Kaggle's header", "two columns", "semicolons", "tabs", "blanks", "CR CR LF", "CR", "byte order mark",
         "floats", "0 and 1", "words", "labels", "columns", "numbers of columns", "separator", "tab"],
)  # fmt: skip
def test_each_table_is_read(tmp_path: Path, data: str, keys: dict[str, object], classes: list[str]) -> None:
    out = run_clean(tmp_path, data.encode(), **keys)
    rows = read_rows(out / "examples.csv")
    assert [row["text"] for row in rows] == [text for _, text in GOOD]
    assert [row["category"] for row in rows] == [classes["04".index(label)] for label, _ in GOOD]
    assert read_classes(out) == classes
    assert read_reasons(out) == []


def test_a_return_within_a_value_is_a_blank(tmp_path: Path) -> None:
    out = run_clean(tmp_path, (JOINED + make_line("4", "first half\rsecond half", user="zoe") + "\n").encode())
    assert read_rows(out / "examples.csv")[-1]["text"] == "first half second half"


def test_labels_that_are_mostly_no_codes_are_classes_of_their_own(tmp_path: Path) -> None:
    rows = [(str(n % 5), f"{n} stars for text number {n * 7} {n * n}") for n in range(20)]
    assert read_classes(run_clean(tmp_path, make_lines(rows))) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (["train.csv", "test.csv"], {"train", "test"}),
        (["train.csv", "dev.csv"], {"train", "test"}),
        (["Training.csv", "__MACOSX/._Training.csv"], {"train"}),
        (["tweets.csv"], {"train"}),
    ],
)
def test_a_table_s_name_says_its_split(tmp_path: Path, files: list[str], splits: set[str]) -> None:
    archive = tmp_path / "archive"
    for n, name in enumerate(files):
        (archive / name).parent.mkdir(parents=True, exist_ok=True)
        content = [make_line(label, f"{text} {n}", user=f"u{n}{m}") for m, (label, text) in enumerate(GOOD)]
        (archive / name).write_text("\n".join(content))
    layout = find_layout(archive, CleanTweets.model_validate(PLAIN))
    assert {table.split for table in layout.tables} == splits


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {},
            r"no column is known for the label and the text: its first line has nr, stars, said.*\.columns\.label=NAME",
        ),
        (name_columns(label="star", text="said"), r"no such column \(label: star; clean\.columns\): it has nr, stars"),
        (name_columns(label=2, text=4), r"no such column \(text: 4"),
    ],
)
def test_columns_that_are_not_known_are_asked_for(tmp_path: Path, keys: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_clean(tmp_path, UNKNOWN.encode(), **keys)


def test_an_unlabelled_test_table_is_not_read(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "train.csv").write_text(TWO)
    (archive / "test.csv").write_text("id,text\n1,what is this\n2,and this\n")
    layout = find_layout(archive, CleanTweets.model_validate(PLAIN))
    assert [table.path.name for table in layout.tables] == ["train.csv"]
    assert layout.ignored == {"test.csv": "no column is known for the label: its first line has id, text"}


def test_joiners_stay_in_words(tmp_path: Path) -> None:
    family, word = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0646\u0645\u06cc\u200c\u062e"
    out = run_clean(tmp_path, (JOINED + make_line("4", f"family {family} {word}", user="zoe") + "\n").encode())
    assert read_rows(out / "examples.csv")[-1]["text"].split() == ["family", family, word]
