"""Large tables as CSV, column by column: millions of rows in seconds, in the format of `tasks.tables`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import UserError
from tasks.tables import check_columns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.csv import CSVStreamingReader

BLOCK_BYTES = 16 << 20  # parsed at once; no row may be longer


def read_columns(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """Return columns of a CSV file with a header, every value as text: all `required`, and the `optional` that exist.

    Raises UserError when it cannot be read as UTF-8 CSV or lacks one of the `required`.
    """
    import pyarrow as pa

    header = _read_header(path, required)
    names = [*required, *(name for name in optional if name in header)]
    try:
        reader = _open(path, names)
        return pa.table({name: pa.array([], pa.string()) for name in names}) if reader is None else reader.read_all()
    except pa.ArrowInvalid as error:
        raise UserError(f"{path.name} is not a table (CSV with a header): {error}. Save it as CSV in UTF-8.") from error


def read_blocks(path: Path, column: str) -> Iterator[pa.StringArray]:
    """Yield one column of a CSV file in blocks of some 100,000 rows; a block at a time is in memory."""
    _read_header(path, [column])
    reader = _open(path, [column])
    for batch in reader or ():
        yield batch.column(0)


def write_columns(path: Path, columns: Mapping[str, object]) -> None:
    """Write columns (arrays of whole numbers or text, of one length) as CSV with their names as its header.

    Text is quoted as by `write_rows`, but in all text columns as soon as a value needs it.
    """
    import pyarrow as pa
    from pyarrow.csv import WriteOptions, write_csv

    table = pa.table(dict(columns))
    style = "needed" if any(_needs_quotes(column) for column in table.columns) else "none"
    with path.open("wb") as file:
        file.write((",".join(table.column_names) + "\n").encode())
        write_csv(table, file, WriteOptions(include_header=False, quoting_style=style))


def _read_header(path: Path, required: Sequence[str]) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path.name} is not a table (CSV with a header): {error}. Save it as CSV in UTF-8.") from error
    check_columns(path, header, required)
    return header


def _open(path: Path, names: Sequence[str]) -> CSVStreamingReader | None:
    """Return a reader of some columns as text, or None if the file has no rows."""
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

    with path.open("rb") as file:
        file.readline()
        if not file.read(1):
            return None
    convert = ConvertOptions(include_columns=list(names), column_types=dict.fromkeys(names, pa.string()))
    return open_csv(path, ReadOptions(block_size=BLOCK_BYTES), ParseOptions(newlines_in_values=True), convert)


def _needs_quotes(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.types.is_string(column.type) and bool(pc.any(pc.match_substring_regex(column, '[",\r\n]')).as_py())
