"""Tall tables are the files that the small ones are, read and written by columns."""

from pathlib import Path

import numpy as np
import pytest

from tasks.columns import read_blocks, read_columns, write_columns
from tasks.errors import UserError
from tasks.tables import read_rows, write_rows

ROWS = [{"n": n, "name": name} for n, name in enumerate(["a", "", "ü", "x y"])]
ODD = [{"n": n, "name": name} for n, name in enumerate(['say "a"', "b,c", "line\nline", "NA"])]


@pytest.mark.parametrize("rows", [ROWS, ODD, ROWS[:0]])
def test_what_rows_write_columns_read(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    write_rows(tmp_path / "t.csv", ["n", "name"], rows)
    table = read_columns(tmp_path / "t.csv", ["name"], ["n", "more"])
    assert table.column_names == ["name", "n"]
    assert table["name"].to_pylist() == [row["name"] for row in rows]
    assert table["n"].to_pylist() == [str(row["n"]) for row in rows]
    assert [text for block in read_blocks(tmp_path / "t.csv", "name") for text in block.to_pylist()] == [
        row["name"] for row in rows
    ]


@pytest.mark.parametrize("rows", [ROWS, ODD])
def test_what_columns_write_rows_read(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    write_columns(tmp_path / "t.csv", {"n": np.arange(4), "name": [row["name"] for row in rows]})
    assert read_rows(tmp_path / "t.csv") == [{"n": str(row["n"]), "name": row["name"]} for row in rows]


def test_the_file_is_the_same_where_nothing_needs_quotes(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", ["n", "name"], ROWS)
    write_columns(tmp_path / "b.csv", {"n": np.arange(4), "name": [row["name"] for row in ROWS]})
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"t\.csv lacks the columns n, name; it has none"),
        (b"n,other\n1,2\n", "lacks the column name; it has n, other"),
        (b"n,name\n1,\xff\n", "is not a table"),
        (b"n,name\n1,a,more\n", "is not a table"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_columns(tmp_path / "t.csv", ["n", "name"])
