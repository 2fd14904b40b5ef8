"""The clean table: what the cleaning of every domain writes, and folds, features, evaluation and report read.

- `examples.csv`: a row for each example, numbered from 0, with `COLUMNS` and what the domain adds. `fold` is the
  source's own, if it has one; examples of one `group` stay on one side of a round.
- `classes.csv`: a row for each class, label (from 0), category, examples (how many), and what the domain adds.
- `dropped.csv`: a row for each row or file that was set aside, with the reason, and what the domain adds.
- `report.json`: the number of examples, those of each class, those set aside by kind of reason, and more counts.
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
    """A row or file that was set aside, and why: a kind of reason, with more after a colon."""

    file: str
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its details."""
        return self.reason.split(":")[0]


def count_kinds(dropped: Iterable[Dropped]) -> Counter[str]:
    """Return how many rows were set aside for each kind of reason."""
    return Counter(each.kind for each in dropped)


def write_examples(out: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]], classes: Classes) -> None:
    """Write `examples.csv`. The rows lack `example` and `label`: a label is the place of its category in `classes`."""
    _check_columns(columns)
    labels = {each["category"]: label for label, each in enumerate(classes)}
    write_rows(
        out / "examples.csv",
        columns,
        ({"example": n, "label": labels[row["category"]], **row} for n, row in enumerate(rows)),
    )


@contextmanager
def open_examples(path: Path, schema: pa.Schema) -> Iterator[CSVWriter]:
    """Open `examples.csv` for tall tables, whose rows come in batches; only their text is quoted, not the header."""
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

    `classes` are rows with category and examples, in the order of their labels; `counts` are what the report says
    beside the number of examples, of each class and of what was set aside.
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
        raise ValueError(f"examples.csv needs the column {', '.join(missing)} beside {', '.join(columns)}")
