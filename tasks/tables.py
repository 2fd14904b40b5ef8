"""Small tables as CSV: the same bytes on every machine, and a clear word when a column is missing."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tasks.errors import UserError


def read_rows(path: Path, required: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header, every value as text.

    Raises UserError when it cannot be read as UTF-8 CSV or lacks one of the `required` columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            there = list(reader.fieldnames or [])
            rows = [{name: row[name] or "" for name in there} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path.name} is not a table (CSV in UTF-8, with a header): {error}") from error
    check_columns(path, there, required)
    return rows


def check_columns(path: Path, there: Sequence[str], required: Sequence[str]) -> None:
    """Raise UserError when a table lacks some of the `required` columns."""
    missing = [name for name in required if name not in there]
    if missing:
        raise UserError(
            f"{path.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"it has {', '.join(there) or 'none'}. Add what is missing or name another archive."
        )


def read_classes(examples: Path) -> list[str]:
    """Return the classes' names, in the order of their labels, as a clean stage's folder holds them."""
    return [row["category"] for row in read_rows(examples / "classes.csv", ["label", "category"])]


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV with the `columns` as its header, in their order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
