"""What the tables of texts hold, from a few blocks of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tasks.class_folders import shorten
from tasks.clean_table import Dropped
from tasks.errors import UserError
from tasks.source_tables import find_column, list_tables
from tasks.survey import Survey
from tasks.text.gather import clean_block
from tasks.text.labels import find_labels
from tasks.text.layout import (
    COLUMNS,
    NAME_COLUMNS,
    Layout,
    Table,
    explain_ragged,
    find_layout,
    find_separator,
    recognise_table,
    sample_lines,
    split_lines,
)
from tasks.text.lines import Block, split_file
from tasks.text.sections import CleanTweets

MOST_LABELS = 50  # different values of a column that may hold labels
SEEN_BLOCKS = 3  # of a table, of 8 MB each


def survey_texts(archive: Path, clean: CleanTweets) -> Survey:
    """Return what the clean stage would find in a few blocks of each table.

    Where no columns are recognised, they are guessed from the values. Raises UserError when that fails too.
    """
    settings, remarks = dict[str, object](), list[str]()
    try:
        layout = find_layout(archive, clean)
    except UserError:
        settings = guess_columns(archive)
        if not settings:
            if reasons := _explain_unguessed(archive, clean):
                raise UserError(reasons) from None
            raise
        named = {name.rpartition(".")[2]: value for name, value in settings.items()}
        clean = clean.model_copy(update={"columns": clean.columns.model_copy(update=named)})
        layout = find_layout(archive, clean)
        remarks.append("The columns are guessed from their values: check them.")
    labels = find_labels(layout, clean)
    remarks.append(_describe_labels(labels))
    counts, dropped = Counter[tuple[str, str]](), list[Dropped]()
    for table in layout.tables:
        blocks = split_file(table)
        seen = _pick(blocks)
        if len(seen) < len(blocks):
            remarks.append(f"{table.path.name} is large: {len(seen)} of its {len(blocks)} blocks were read.")
        for block in seen:
            _count_block(block, labels, clean, counts=counts, dropped=dropped)
    remarks.append("The run sets repeated texts aside too.")
    return Survey("texts", _describe_layout(layout), counts, dropped, settings, remarks)


def guess_columns(archive: Path) -> dict[str, object]:
    """Return the columns of the first table that seem to hold labels and texts, as settings; none if none does.

    Labels repeat a few values; texts are the longest values.
    """
    for path in list_tables(archive):
        rows = split_lines(lines := sample_lines(path), find_separator(lines))
        columns = list(zip(*rows[1:], strict=True))
        if len(columns) < 2:
            continue
        names = [find_column(rows[0], known) for role, known in COLUMNS.items() if role not in ("label", "text")]
        free = [place for place, _ in enumerate(columns) if rows[0][place] not in names]
        if len(free) < 2:
            continue
        text = max(free, key=lambda place: sum(map(len, columns[place])))
        few = {place: len(set(values)) for place, values in enumerate(columns) if place != text}
        label = min(few, key=lambda place: (few[place] < 2, few[place]))
        if not 2 <= few[label] <= min(MOST_LABELS, len(rows) / 2):
            continue
        header = rows[0]
        is_named = header[label] not in columns[label] and all(name and not name.isdigit() for name in header)
        chosen = {"label": label, "text": text}
        return {f"clean.columns.{role}": header[at] if is_named else at + 1 for role, at in chosen.items()}
    return {}


def _explain_unguessed(archive: Path, clean: CleanTweets) -> str:
    """Return why no table's columns are recognised or guessed; "" if a table's are."""
    reasons = {path: recognise_table(path, clean) for path in list_tables(archive)}
    if any(isinstance(reason, Table) for reason in reasons.values()):
        return ""
    for path, reason in reasons.items():
        rows = split_lines(lines := sample_lines(path), separator := find_separator(lines))
        if rows and explain_ragged(lines[0], rows[0], separator):
            return f"{path.name}: {reason}."
        if rows:
            return (
                f"{path.name}: {reason}. The values of its {len(lines)} line{'s' * (len(lines) != 1)} do not show them "
                f"either, because no column repeats a few labels. {NAME_COLUMNS}."
            )
    listed = shorten([f"{path.name}: {reason}" for path, reason in reasons.items()])
    return f"{listed}. Each line of a table of texts has a label, a separator and a text."


def _count_block(
    block: Block,
    labels: dict[str, str],
    clean: CleanTweets,
    *,
    counts: Counter[tuple[str, str]],
    dropped: list[Dropped],
) -> None:
    names = list(dict.fromkeys(labels.values()))
    cleaned = clean_block(block, labels, clean)
    counts.update((block.table.split, names[code]) for code in cleaned.rows["label"].to_pylist())
    dropped += [Dropped(f"{block.table.path.name}, row {f.line + 1}", f.reason) for f in cleaned.faults]


def _describe_layout(layout: Layout) -> list[str]:
    tables = [f"{table.split}: {table.describe()}" for table in layout.tables]
    return tables + [f"{name} is not read: {why}" for name, why in layout.ignored.items()]


def _describe_labels(labels: dict[str, str]) -> str:
    if all(value == name for value, name in labels.items()):
        return "The labels are the names of the classes; --set 'clean.labels={LABEL: CLASS, ...}' gives other names."
    return f"Labels: {', '.join(f'{value} is {name}' for value, name in labels.items())}."


def _pick(blocks: Sequence[Block]) -> list[Block]:
    """Return the first, the middle and the last block: many tables are sorted by their labels."""
    places = range(len(blocks)) if len(blocks) <= SEEN_BLOCKS else (0, len(blocks) // 2, len(blocks) - 1)
    return [blocks[place] for place in places]
