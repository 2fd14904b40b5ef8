"""The clean table of tweets, and the counts in its report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.clean_table import count_kinds, open_examples
from tasks.errors import UserError
from tasks.text.gather import DroppedRow, Rows
from tasks.text.lines import START_CHARS
from tasks.text.repeats import KEPT, REASONS, find_repeats, group_texts

SAMPLE_ROWS = 10_000
SCHEMA = pa.schema(
    [
        ("example", pa.int64()), ("fold", pa.string()), ("split", pa.string()), ("label", pa.int64()),
        ("category", pa.string()), ("group", pa.int64()), ("user", pa.string()), ("date", pa.timestamp("s")),
        ("text", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Cleaned:
    """The usable rows with KEPT or the reason to drop each, (rows); group (from 0) and label code of each kept row."""

    rows: Rows
    reasons: NDArray[np.int8]
    groups: NDArray[np.int64]
    codes: NDArray[np.int8]

    @property
    def balance(self) -> dict[str, int]:
        """The number of examples of each class present, in the order of the labels."""
        counts = np.bincount(self.codes, minlength=len(self.rows.names))
        return {name: int(count) for name, count in zip(self.rows.names, counts, strict=True) if count}

    def count(self) -> dict[str, object]:
        """Return the further counts of `report.json` about the kept rows."""
        n_test = int(self.rows.texts.is_test[self.reasons == KEPT].sum())
        undated = sum(batch["date"].null_count for _, batch in self.walk())
        return {
            "groups": int(self.groups.max(initial=-1)) + 1,
            "splits": {"train": len(self.codes) - n_test, "test": n_test},
            "without_date": undated,
        }

    def walk(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the split and the kept rows of each block, in order."""
        start = 0
        for block in self.rows.blocks:
            end = start + len(block.rows)
            yield block.split, block.rows.filter(pa.array(self.reasons[start:end] == KEPT))
            start = end


def drop_repeats(rows: Rows) -> Cleaned:
    """Set repeated texts aside; raises UserError when fewer than two classes remain."""
    import pandas as pd

    _check_classes(rows, rows.texts.labels)
    groups = group_texts(rows.texts.hashes)
    reasons = find_repeats(rows.texts, groups)
    kept = reasons == KEPT
    _check_classes(rows, rows.texts.labels[kept])
    return Cleaned(rows, reasons, pd.factorize(groups[kept])[0].astype(np.int64), rows.texts.labels[kept])


def _check_classes(rows: Rows, codes: NDArray[np.int8]) -> None:
    names = [rows.names[code] for code in np.unique(codes)]
    if len(names) < 2:
        kinds = count_kinds(rows.dropped).most_common(3)
        set_aside = ", ".join(f"{count} set aside as {kind}" for kind, count in kinds) or "none set aside"
        raise UserError(
            f"Two classes or more are needed, and the usable rows have {', '.join(names) or 'none'} "
            f"({len(codes)} rows usable, {set_aside}{_show_unknown(rows)}). Set clean.labels to the class of each "
            "label, clean.columns to the columns, or use another training file."
        )


def _show_unknown(rows: Rows) -> str:
    """Return an example of a row with an unknown label, or else of any row that was set aside."""
    examples = sorted(rows.dropped, key=lambda dropped: dropped.kind != "unknown label")
    return f"; for example row {examples[0].row} of {examples[0].file}: {examples[0].reason}" if examples else ""


def write_examples(cleaned: Cleaned, out: Path) -> Iterator[pa.StringArray]:
    """Write `examples.csv`, and 10,000 of its rows, evenly spaced, as `sample.csv`; yield the texts of each batch."""
    n_rows = len(cleaned.codes)
    chosen = np.zeros(n_rows, np.bool_)
    chosen[np.linspace(0, n_rows - 1, min(n_rows, SAMPLE_ROWS)).astype(np.int64)] = True
    with open_examples(out / "examples.csv", SCHEMA) as table, open_examples(out / "sample.csv", SCHEMA) as sample:
        start = 0
        for batch in _make_batches(cleaned):
            table.write_batch(batch)
            sample.write_batch(batch.filter(pa.array(chosen[start : start + len(batch)])))
            start += len(batch)
            yield batch["text"]


def list_dropped(cleaned: Cleaned) -> list[DroppedRow]:
    """Return the rows set aside, by file and line."""
    return sorted([*cleaned.rows.dropped, *_list_repeats(cleaned)], key=lambda dropped: (dropped.file, dropped.row))


def _list_repeats(cleaned: Cleaned) -> Iterator[DroppedRow]:
    start = 0
    for block in cleaned.rows.blocks:
        reasons = cleaned.reasons[start : start + len(block.rows)]
        places = np.flatnonzero(reasons != KEPT)
        rows = block.rows.take(pa.array(places)).select(["row", "text"]).to_pylist()
        for row, reason in zip(rows, reasons[places].tolist(), strict=True):
            yield DroppedRow(block.file, REASONS[reason], row["row"], row["text"][:START_CHARS])
        start += len(block.rows)


def _make_batches(cleaned: Cleaned) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `examples.csv`, one batch per block."""
    present = np.unique(cleaned.codes)
    names = pa.array([cleaned.rows.names[code] for code in present])
    start = 0
    for split, rows in cleaned.walk():
        end = start + len(rows)
        labels = np.searchsorted(present, cleaned.codes[start:end])
        columns = [
            np.arange(start, end), _repeat("", len(rows)), _repeat(split, len(rows)), labels,
            names.take(pa.array(labels)), cleaned.groups[start:end], rows["user"], rows["date"], rows["text"],
        ]  # fmt: skip
        yield pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=SCHEMA)
        start = end


def _repeat(value: str, times: int) -> pa.StringArray:
    return pa.repeat(pa.scalar(value), times)
