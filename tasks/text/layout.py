"""The tables of an archive of texts: which file is which split, and which column holds what."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tasks.class_folders import shorten
from tasks.errors import UserError
from tasks.source_tables import SEPARATORS, find_column, is_utf16, list_tables
from tasks.splits import name_splits
from tasks.text.decode import decode_block, mend_line_ends
from tasks.text.sections import CleanTweets

# The names that published tables give to their columns.
COLUMNS = {
    "label": ("label", "labels", "target", "sentiment", "polarity", "category", "class", "emotion", "airline_sentiment",
              "sentiment_label", "v1"),
    "text": ("text", "tweet", "tweet_text", "clean_text", "sentimenttext", "content", "review", "review_text",
             "sentence", "message", "comment", "comment_text", "body", "headline", "phrase", "v2"),
    "user": ("user", "username", "user_name", "user_id", "screen_name", "author", "name"),
    "date": ("date", "created_at", "tweet_created", "timestamp"),
}  # fmt: skip
PLACES = {"label": 0, "date": 2, "user": 4, "text": 5}  # of Sentiment140's six columns, which have no header
N_COLUMNS = 6
SAMPLE_BYTES = 1 << 18
SAMPLE_CHARS = 10_000  # a longer line is no part of the sample
TAB = "tab"
NAME_COLUMNS = (
    "Name the columns of the label and the text, by their names or, where the first line is no header, by their "
    "numbers from 1: --set clean.columns.label=NAME --set clean.columns.text=NAME"
)


@dataclass(frozen=True)
class Table:
    """A table of texts: its split, separator, and the role of each column, "" for those that are not used."""

    path: Path
    split: str
    separator: str
    columns: tuple[str, ...]
    names: tuple[str, ...] = ()

    @property
    def has_header(self) -> bool:
        """Whether the first line holds the columns' names."""
        return bool(self.names)

    def describe(self) -> str:
        """Return which column holds what, as a line of text."""
        header = self.names or [f"column {number}" for number in range(1, len(self.columns) + 1)]
        used = ", ".join(f"{role} in {name}" for role, name in zip(self.columns, header, strict=True) if role)
        separator = "a tab" if self.separator == "\t" else repr(self.separator)
        return f"{self.path.name}: {used}; separated by {separator}"


@dataclass(frozen=True)
class Layout:
    """The tables, the test table first, and the other files of the archive, each with why it is not read."""

    tables: list[Table]
    ignored: dict[str, str]


def find_layout(archive: Path, clean: CleanTweets) -> Layout:
    """Return the tables of an unpacked archive: one of training texts, and perhaps one of test texts.

    Separator and columns are those of `clean`, or else recognised: by the header's names, or as Sentiment140's. A
    table's split is a word in its name (training.csv, testdata.csv, dev.csv); a single one without is for training. A
    validation table is the test part where there is no test table. Raises UserError, saying why each file is no table
    of labelled texts, when there is no training table or several.
    """
    files = list_tables(archive)
    read = {path: recognise_table(path, clean) for path in files}
    tables = [table for table in read.values() if isinstance(table, Table)]
    ignored = {path.relative_to(archive).as_posix(): why for path, why in read.items() if isinstance(why, str)}
    splits = name_splits({name for table in tables for name in (table.path.stem, table.path.parent.name)})
    named = [replace(each, split=splits[each.path.stem] or splits[each.path.parent.name]) for each in tables]
    if len(named) == 1:
        named = [replace(named[0], split="train")]
    training = [table for table in named if table.split == "train"]
    held_out = [table for table in named if table.split == "test"] or [t for t in named if t.split == "valid"]
    if len(training) != 1 or len(held_out) > 1:
        raise UserError(_explain(archive, files, named, ignored))
    test = [replace(table, split="test") for table in held_out if clean.test_file == "keep"]
    others = [table for table in named if table not in (*training, *held_out)]
    ignored |= {table.path.name: "it is neither the training nor the test table" for table in others}
    return Layout([*test, *training], ignored)


def recognise_table(path: Path, clean: CleanTweets) -> Table | str:
    """Return a table of labelled texts (its split unknown), or why the file is none."""
    if path.stat().st_size == 0:
        return "it is empty (0 bytes)"
    if is_utf16(path):
        return "it is UTF-16: save it as UTF-8"
    lines = sample_lines(path)
    separator = clean.separator.replace(TAB, "\t") if clean.separator != "auto" else find_separator(lines)
    if not (rows := split_lines(lines, separator)):
        return "no separator (comma, semicolon, tab or |) divides its lines into the same number of values"
    header, asked = rows[0], clean.columns.model_dump()
    given = {role: _find_place(header, value) for role, value in asked.items() if value != ""}
    if lost := [f"{role}: {asked[role]}" for role, place in given.items() if place < 0]:
        return explain_ragged(lines[0], rows[0], separator) or (
            f"it has no such column ({', '.join(lost)}; clean.columns): it has {shorten(header)}; their numbers "
            f"are 1 to {len(header)}"
        )
    named = {role: header.index(name) for role, known in COLUMNS.items() if (name := find_column(header, known))}
    if any(isinstance(value, str) and value for value in asked.values()) or named.keys() >= {"label", "text"}:
        places, names = named | given, tuple(header)
    elif _is_sentiment140(rows):
        places, names = PLACES | given, ()
    else:
        places = {role: at for role, at in named.items() if role in ("label", "text")} | given
        names = tuple(header) if named.keys() & places.keys() - given.keys() else ()
    if missing := [role for role in ("label", "text") if role not in places]:
        return explain_ragged(lines[0], rows[0], separator) or (
            f"no column is known for the {' and the '.join(missing)}: its first line has {shorten(header)}"
        )
    columns = [next((role for role, at in places.items() if at == place), "") for place in range(len(header))]
    return Table(path, "", separator, tuple(columns), names)


def sample_lines(path: Path, start: int = 0) -> list[str]:
    """Return whole lines of a file from about `start`, without those that are blank or no text."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(SAMPLE_BYTES)
        is_all = not file.read(1)
    decoded = decode_block(mend_line_ends(data, is_start=start == 0), "auto")
    lines = decoded.data.decode().split("\n")
    return [line for line in lines[int(start > 0) : None if is_all else -1] if line.strip() and "\0" not in line]


def find_separator(lines: Sequence[str]) -> str:
    """Return the separator by which most lines have the same number of values, two or more."""
    shares = {separator: len(split_lines(lines, separator)) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: shares[separator])
    rows = split_lines(lines, best)
    if rows and best != "\t":
        # A blank after the separator is no part of the value, but only quoted values show it.
        fits = [sum(bool(match_row(each, len(rows[0])).match(line)) for line in lines) for each in (best, best + " ")]
        return best + " " * (fits[1] > fits[0])
    return best


def split_lines(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Return the values of the lines that have the most frequent number of them, if that is two or more."""
    short = [line for line in lines if len(line) <= SAMPLE_CHARS]
    reader = csv.reader(short, delimiter=separator[0], skipinitialspace=separator.endswith(" ") or separator != "\t")
    try:
        rows = [[value.strip() for value in row] for row in reader]
    except csv.Error:
        return []
    counts = Counter(len(row) for row in rows if len(row) > 1)
    n_values = counts.most_common(1)[0][0] if counts else 0
    return [row for row in rows if len(row) == n_values]


@cache
def match_row(separator: str, n_values: int) -> re.Pattern[str]:
    """Return a pattern of a line of values, quoted or plain, and nothing else, in the dialect of both re and RE2."""
    mark = re.escape(separator[0])
    # Tables with tabs seldom quote, so a quote within a value is a letter there.
    plain = rf'(?:[^"{mark}][^{mark}]*)?' if separator == "\t" else rf'[^"{mark}]*'
    value = rf'(?:"(?:[^"]|"")*"|{plain})'
    return re.compile(rf"^{value}(?:{re.escape(separator)}{value}){{{n_values - 1}}}\n?$")


def _find_place(header: Sequence[str], value: str | int) -> int:
    """Return the place of a column, from 0; -1 if the table has no such column."""
    if isinstance(value, int):
        return value - 1 if value <= len(header) else -1
    return header.index(value) if value in header else -1


def explain_ragged(first_line: str, row: Sequence[str], separator: str) -> str:
    """Return how the first line, which may be a header, differs in its number of values from a row; "" if it does not.

    Unquoted separators in texts make the rows longer than the header.
    """
    n_values = len(next(csv.reader([first_line], delimiter=separator[0])))
    if n_values == len(row):
        return ""
    return (
        f"its first line has {n_values} value{'s' * (n_values != 1)}, but most others {len(row)}: put values that hold "
        f"{separator[0]!r} in quotes"
    )


def _is_sentiment140(rows: Sequence[Sequence[str]]) -> bool:
    return len(rows[0]) == N_COLUMNS and 2 * sum(row[1].isdigit() for row in rows) > len(rows)


def _explain(archive: Path, files: Sequence[Path], tables: Sequence[Table], ignored: dict[str, str]) -> str:
    if not files:
        contents = shorten(sorted(path.name for path in archive.rglob("*") if path.is_file())) or "nothing"
        return f"The source holds no table of texts (.csv, .tsv or .txt), only {contents}. Save the texts as CSV."
    by_split = {split: [table.path.name for table in tables if table.split == split] for split in ("train", "test", "")}
    found = f"{len(tables)} tables of labelled texts ({shorten([table.path.name for table in tables])})"
    if tables:
        return (
            f"The source holds {found}: {len(by_split['train'])} for training and {len(by_split['test'])} for tests "
            "by their names. One for training is needed, such as train.csv, and at most one for tests, such as "
            "test.csv: rename or remove files."
        )
    reasons = "; ".join(f"{name}: {why}" for name, why in list(ignored.items())[:3])
    return (
        f"The source holds no table of labelled texts ({reasons}). {NAME_COLUMNS}; `python -m flows inspect PATH` "
        "proposes them."
    )
