"""The clean table: written by the clean stage of every domain, read by folds, features, evaluation and report.

- `examples.csv`: a row per example, numbered from 0, with `COLUMNS` and the domain's own columns. `fold` is the
  source's own fold, or empty; examples of the same `group` stay in the same part of a round.
- `classes.csv`: a row per class: label (from 0), category, examples (their number), and the domain's own columns.
- `dropped.csv`: a row per row or file that was set aside, with the reason and the domain's own columns.
- `report.json`: the number of examples, of examples per class, of rows set aside per kind of reason, and more counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.tables import write_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.csv import CSVWriter

COLUMNS = ("example", "fold", "label", "category", "group")
Classes = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Dropped:
    """A row or file that was set aside, and the reason: a kind, and maybe details after a colon."""

    file: str
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its details."""
        return self.reason.split(":")[0]


def count_kinds(dropped: Iterable[Dropped]) -> Counter[str]:
    """Return the number of rows set aside for each kind of reason."""
    return Counter(each.kind for each in dropped)


def write_examples(out: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]], classes: Classes) -> None:
    """Write `examples.csv`; adds the columns `example` and `label`, the index of the category in `classes`."""
    _check_columns(columns)
    labels = {each["category"]: label for label, each in enumerate(classes)}
    write_rows(
        out / "examples.csv",
        columns,
        ({"example": n, "label": labels[row["category"]], **row} for n, row in enumerate(rows)),
    )


@contextmanager
def open_examples(path: Path, schema: pa.Schema) -> Iterator[CSVWriter]:
    """Open `examples.csv` for large tables, written in batches; text values are quoted, the header is not."""
    from pyarrow.csv import CSVWriter, WriteOptions

    _check_columns(schema.names)
    with path.open("wb") as file:
        file.write((",".join(schema.names) + "\n").encode())
        with CSVWriter(file, schema, write_options=WriteOptions(include_header=False)) as writer:
            yield writer


def write_summary(
    out: Path,
    classes: Classes,
    dropped: Sequence[Dropped],
    counts: Mapping[str, object],
    *,
    dropped_columns: Sequence[str] = ("file", "reason"),
) -> None:
    """Write `classes.csv`, `dropped.csv` and `report.json`.

    `classes` are rows with category and examples, in the order of their labels; `counts` are added to `report.json`.
    """
    labelled = ({"label": label, **each} for label, each in enumerate(classes))
    write_rows(out / "classes.csv", ["label", *classes[0]], labelled)
    rows = ({name: getattr(each, name) for name in dropped_columns} for each in dropped)
    write_rows(out / "dropped.csv", dropped_columns, rows)
    balance = {each["category"]: each["examples"] for each in classes}
    report = {"examples": sum(balance.values()), "classes": balance, "dropped": dict(count_kinds(dropped)), **counts}
    (out / "report.json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")


def _check_columns(columns: Sequence[str]) -> None:
    if missing := [name for name in COLUMNS if name not in columns]:
        raise ValueError(f"examples.csv needs the columns {', '.join(COLUMNS)}; {', '.join(missing)} is missing")
