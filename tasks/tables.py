"""Small tables as CSV: the same bytes on every machine, and clear errors for missing columns."""

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
            header = list(reader.fieldnames or [])
            rows = [{name: row[name] or "" for name in header} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path.name} is not a table (CSV with a header): {error}. Save it as CSV in UTF-8.") from error
    check_columns(path, header, required)
    return rows


def check_columns(path: Path, header: Sequence[str], required: Sequence[str]) -> None:
    """Raise UserError when a table lacks some of the `required` columns."""
    missing = [name for name in required if name not in header]
    if missing:
        raise UserError(
            f"{path.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"it has {', '.join(header) or 'none'}. Add the missing columns, or "
            "name another file (source.archive, or addresses.file for a list of addresses)."
        )


def read_classes(examples: Path) -> list[str]:
    """Return the classes' names, in the order of their labels, from the output of a clean stage."""
    return [row["category"] for row in read_rows(examples / "classes.csv", ["label", "category"])]


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV with the `columns` as its header, in their order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
