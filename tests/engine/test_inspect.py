"""`inspect` says what data of one's own holds, and prints a command whose settings a run accepts."""

import shlex
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from flows.commands.inspect import inspect_path, quote_value
from flows.engine.errors import EngineError
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.params import Params
from tasks.errors import UserError
from tests.tasks.audio.sounds import make_noise, write_sound
from tests.tasks.images.pictures import write_picture


def check_command(line: str) -> tuple[str, Params]:
    """Return the flow and the params that a printed command would write; raises EngineError if they are not valid."""
    words = shlex.split(line)
    assert words[:4] == ["python", "-m", "flows", "run"]
    options = dict(zip(words[5::2], words[6::2], strict=True)) if "--preset" in words else {}
    overrides = [after for word, after in pairwise(words) if word == "--set"]
    return words[4], read_changed(words[4], preset=options.get("--preset", ""), overrides=overrides)


def write_photographs(folder: Path) -> Path:
    for seed in range(24):
        write_picture(folder / ("Training", "Testing")[seed % 2] / ("oak", "elm")[seed // 12] / f"{seed}.jpg", seed)
    (folder / "Training/oak/IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    return folder


def write_sounds(folder: Path) -> Path:
    rows = ["file;species;recording"]
    for seed in range(12):
        write_sound(folder / f"clips/{seed}.wav", make_noise(seed, 1.7, 16000), 16000)
        rows.append(f"{seed}.wav;{('owl', 'wren')[seed % 2]};garden{seed // 2}")
    (folder / "birds.csv").write_text("\n".join(rows))
    return folder


def write_texts(folder: Path) -> Path:
    rows = [f"{n}|{('bad', 'good')[n % 2]}|the {n} words that somebody said, {n * n} of them" for n in range(40)]
    (folder / "reviews # 1.csv").write_text("\n".join(["nr|stars|said", *rows]))
    return folder / "reviews # 1.csv"


def test_photographs_in_folders(tmp_path: Path) -> None:
    lines = inspect_path(write_photographs(tmp_path))
    assert "domain: images" in lines
    assert "layout: splits: Testing (test), Training (train); 2 classes (elm, oak)" in lines
    assert [line.split() for line in lines if line.startswith("  elm")] == [["elm", "6", "6"]]
    assert any("1: HEIC: cannot be read; convert it to JPEG" in line for line in lines)
    flow, params = check_command(lines[-1])
    assert (flow, params.source.archive, params.folds.mode) == ("images", str(tmp_path), "own")  # type: ignore[attr-defined]


def test_an_archive_is_seen_as_its_folder(tmp_path: Path) -> None:
    folder = write_photographs(tmp_path / "trees")
    with zipfile.ZipFile(tmp_path / "trees.zip", "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(tmp_path))
    packed, plain = inspect_path(tmp_path / "trees.zip"), inspect_path(folder)
    assert packed[3:7] == plain[3:7]
    assert packed[2] == plain[2]


def test_sounds_with_a_table(tmp_path: Path) -> None:
    lines = inspect_path(write_sounds(tmp_path))
    assert "layout: table birds.csv: file, category from species, group from recording" in lines
    assert "Durations: 1.7 to 1.7 s, median 1.7 s; sample rates: 16000 Hz (12)." in lines
    flow, params = check_command(lines[-1])
    assert flow == "audio"
    spectrogram = params.spectrogram  # type: ignore[attr-defined]
    assert (spectrogram.sample_rate_hz, spectrogram.clip_s, spectrogram.f_max_hz) == (16000, 2.0, 8000)


def test_a_table_with_other_columns(tmp_path: Path) -> None:
    lines = inspect_path(write_texts(tmp_path))
    assert "The columns are guessed from their values: check them." in lines
    flow, params = check_command(lines[-1])
    clean = params.clean  # type: ignore[attr-defined]
    assert (flow, clean.columns.label, clean.columns.text) == ("text", "stars", "said")
    assert params.source.archive == str(tmp_path / "reviews # 1.csv")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("label,text\ngood,I liked it\n", "A run needs two classes or more, with 3 examples of each."),
        (
            "text;label\nI liked it;1\nawful;0\n",
            "Too few examples for a run, which needs 3 of each class: negative, positive.",
        ),
    ],
)
def test_the_command_for_a_table_of_one_or_two_rows_waits_for_more(tmp_path: Path, table: str, line: str) -> None:
    (tmp_path / "few.csv").write_text(table)
    *_, lack, announced, command = inspect_path(tmp_path / "few.csv")
    assert (lack, announced) == (line, "to run, when the data has them:")
    assert check_command(command)[0] == "text"


NAMES = "Name the columns of the label and the text, by their names or, where the first line is no header, by their num"
FEW = (
    "its first line has {}. The values of its {} do not show them either, because no column repeats a few labels. "
    + NAMES
)
RAGGED = "few.csv: its first line has 2 values, but most others 3: put values that hold ',' in quotes."


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("good,I liked it\n", FEW.format("good, I liked it", "1 line")),
        ("good,I liked it\nbad,it was awful\n", FEW.format("good, I liked it", "2 lines")),
        ("nr,stars,said\n1,good,I liked it\n2,bad,awful\n", FEW.format("nr, stars, said", "3 lines")),
        ("stars,said\ngood,yes, very\nbad,no, not at all\n", RAGGED),
        ("label,text\ngood,yes, very\nbad,no, not at all\n", RAGGED),
        ("label,text\n", "few.csv has a header and no row: add rows, each a label and a text."),
        ("label,text\ngood,yes, very\n", "has no usable row (line 2: columns: 3 where 2 are needed (label, text))"),
        ("label,text\n,I liked it\n", "The column of labels in few.csv is empty in each row: set clean.columns.label"),
    ],
)
def test_a_short_table_that_cannot_be_read_is_explained(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "few.csv").write_text(table)
    with pytest.raises(UserError) as error:
        inspect_path(tmp_path / "few.csv")
    assert message in str(error.value)
    begin = "To run, with the names filled in:\n  python -m flows run text --preset sentiment140 --set source.archive="
    asks = "--set clean.columns.label=NAME" in str(error.value)
    assert (begin in str(error.value)) is asks, "where a setting is asked for"
    assert str(error.value).endswith(" --set clean.columns.label=NAME --set clean.columns.text=NAME") is asks
    assert "inspect" not in str(error.value).removeprefix(str(tmp_path)), "it is what the user has just run"


def test_a_table_of_texts_in_utf16_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("label,text\n" + "good,very\nbad,not at all\n" * 20, encoding="utf-16")
    with pytest.raises(UserError, match="it is UTF-16: save it as UTF-8"):
        inspect_path(tmp_path / "x.csv")


def test_a_column_of_users_is_not_proposed_as_texts(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("label,user\n" + "".join(f"{'ab'[n % 2]},u{n}\n" for n in range(40)))
    with pytest.raises(UserError, match="no column is known for the text"):
        inspect_path(tmp_path / "x.csv")


@pytest.mark.parametrize(("more", "fewer"), [("sound", "picture"), ("picture", "sound")])
def test_of_two_kinds_of_files_it_says_which_is_left_out(tmp_path: Path, more: str, fewer: str) -> None:
    suffixes = {"sound": "wav", "picture": "jpg"}
    for kind, number in ((more, 3), (fewer, 1)):
        (tmp_path / kind).mkdir()
        for n in range(number):
            (tmp_path / kind / f"{n}.{suffixes[kind]}").write_bytes(b"")
    with pytest.raises(UserError) as error:
        inspect_path(tmp_path)
    assert f"it holds both 3 {more}s and 1 {fewer}, which are left out" in str(error.value)


def test_a_list_of_addresses(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("url,class,type\nhttp://a.example/1.jpg,cat,train\n")
    flow, params = check_command(inspect_path(tmp_path / "list.csv")[-1])
    assert (flow, params.addresses.file) == ("images", str(tmp_path / "list.csv"))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a.mp4", "b.json"], r"holds 2 files \(1 \.json, 1 \.mp4\), and trifold recognises none of them\. It reads"),
        ([], r"holds 0 files \(none\)"),
        (["1.jpg", "2.jpg"], "domain images. No class folders found: .* Sort the files into folders"),
        (["notes.txt"], r"domain text. notes\.txt: no separator .* Each line of a table of texts has a label, a sep"),
    ],
)
def test_what_is_not_recognised_is_said_in_sentences(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).write_text("hello\n")
    with pytest.raises((EngineError, UserError), match=message):
        inspect_path(tmp_path)


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("/a/b", "/a/b"), ("a: b", "'\"a: b\"'"), ("1", "'\"1\"'"), (2, "2"), ("", "")],
)
def test_a_value_is_quoted_for_the_shell_and_for_yaml(value: object, quoted: str) -> None:
    assert quote_value(value) == quoted
