"""Tables of a data set as people publish them: any separator, encoding and line end, with a header."""

from __future__ import annotations

import codecs
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import UserError
from tasks.files import File, list_folder

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
SUFFIXES = (".csv", ".tsv", ".txt")
ABSENT = ("", "nan", "none", "null", "na", "n/a", "<na>")  # what programs write for a missing value
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def list_tables(archive: Path) -> list[Path]:
    """Return the files of a folder that `choose_tables` chooses."""
    return [file.place for file in choose_tables(list_folder(archive))]


def choose_tables(files: Iterable[File]) -> list[File]:
    """Return the files of an archive that may be tables, without those that file managers hide, sorted."""
    tables = (
        file
        for file in files
        if file.path.suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in file.path.parts)
    )
    return sorted(tables, key=lambda file: file.path)


def read_header(path: Path) -> list[str]:
    """Return the names of a table's columns; [] where the file is empty."""
    line = _read_line(path, _find_encoding(path))
    return [name.strip().strip('"') for name in line.split(find_separator(line))] if line else []


def find_separator(header: str) -> str:
    """Return the separator that occurs most in a header."""
    counts = Counter(header)
    return max(SEPARATORS, key=lambda separator: counts[separator])


def read_source_table(path: Path) -> pd.DataFrame:
    """Return a table of texts, without blanks around them, with composed accents. Raises UserError if it is no table.

    Missing values, also those spelt nan or null, are "".
    """
    import pandas as pd

    encoding = _find_encoding(path)
    separator = find_separator(_read_line(path, encoding))
    try:
        table = pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            encoding=encoding,
        )
    except (ValueError, OSError) as error:
        cause = " ".join(str(error).split())
        raise UserError(f"{path.name} is not a table (CSV with a header): {cause}. Save it as CSV in UTF-8.") from error
    if table.index.nlevels > 1:  # pandas takes the values that the header does not name for names of rows
        raise UserError(
            f"{path.name} has rows with {table.index.nlevels} values more than its header: put values that hold "
            f"{separator!r} in quotes."
        )
    table.columns = [_clean_value(str(name)) for name in table.columns]
    return table.map(_clean_value)


def is_utf16(path: Path) -> bool:
    """Return whether a table's byte order mark says UTF-16."""
    return _find_encoding(path) == "utf-16"


def find_column(names: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the column whose name is the first of `known` that is there, without regard to capitals and blanks."""
    spelt = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in reversed(names)}
    return next((spelt[name] for name in known if name in spelt), None)


def _find_encoding(path: Path) -> str:
    """Return a file's encoding: as its byte order mark says, else UTF-8, or Windows' own where it is not UTF-8."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if marked := next((name for mark, name in _MARKS.items() if start.startswith(mark)), ""):
        return marked
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # the last letter may be cut
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _read_line(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, errors="replace") as file:
        return file.readline(1 << 16)


def _clean_value(value: object) -> str:
    text = unicodedata.normalize("NFC", value.strip()) if isinstance(value, str) else ""
    return "" if text.lower() in ABSENT else text
