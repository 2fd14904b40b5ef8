"""What the labels of a table mean: known codes, words, or a mapping that a person gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import UserError
from tasks.parallel import map_cores
from tasks.text.layout import Layout, Table, sample_lines, split_lines
from tasks.text.lines import read_lines, split_file
from tasks.text.sections import CleanTweets

# Sentiment140's codes, and those of its copies; in the order of the classes.
CODES = (
    {"0": "negative", "2": "neutral", "4": "positive"},
    {"0": "negative", "1": "positive"},
    {"-1": "negative", "0": "neutral", "1": "positive"},
)
LEAST_KNOWN = 0.8  # share of the rows whose labels must be codes
MAX_CLASSES = 1000
PLACES = 16  # of a file that are sampled: Sentiment140's is sorted by its labels
WHOLE = re.compile(r"(-?\d+)\.0+")  # pandas writes 4 as 4.0 where another value is missing


def find_labels(layout: Layout, clean: CleanTweets) -> dict[str, str]:
    """Return the class of each label, in the order of the classes: as `clean.labels` says, or else recognised.

    Labels that are the codes of Sentiment140 or its copies are named after them, all others are names of classes as
    they are. Raises UserError when no row has a label, and when there are more than MAX_CLASSES different labels.
    """
    if clean.labels:
        return {str(value): name for value, name in clean.labels.items()}
    if codes := _find_codes(_sample_labels(layout.tables)):
        return codes
    counts = count_labels(layout.tables, clean)
    if not counts:
        raise UserError(_explain_unlabelled(layout.tables[-1], clean))
    if len(counts) > MAX_CLASSES:
        examples = ", ".join(repr(value) for value, _ in counts.most_common(3))
        raise UserError(
            f"The column of labels holds {len(counts)} different values (such as {examples}), more than {MAX_CLASSES}: "
            "it holds no classes. Set clean.columns.label to another column."
        )
    return {value: value for value in sorted(counts)}


def encode_labels(labels: pa.StringArray, known: Mapping[str, str]) -> pa.Int32Array:
    """Return the number of each label's class, null for unknown labels, (rows)."""
    names = list(dict.fromkeys(known.values()))
    values = pc.index_in(trim_labels(labels, known), pa.array(list(known), pa.string()))
    return pa.array([names.index(name) for name in known.values()], pa.int32()).take(values)


def trim_labels(labels: pa.StringArray, known: Iterable[str] = ()) -> pa.StringArray:
    """Return labels without blanks around them, and whole numbers without a fraction unless all are `known`."""
    trimmed = pc.utf8_trim_whitespace(labels)
    if pc.all(pc.is_in(trimmed, pa.array(list(known), pa.string()))).as_py():
        return trimmed
    return pc.replace_substring_regex(trimmed, rf"^{WHOLE.pattern}$", r"\1")


def count_labels(tables: Sequence[Table], clean: CleanTweets) -> Counter[str]:
    """Return how often each label occurs in all rows of some tables."""

    def count(block: object) -> Counter[str]:
        lines = read_lines(block, encoding=clean.encoding, max_chars=clean.max_chars)  # type: ignore[arg-type]
        pairs = pc.value_counts(trim_labels(lines.table["label"].combine_chunks())).to_pylist()
        return Counter({pair["values"]: pair["counts"] for pair in pairs if pair["values"]})

    return sum(map_cores(count, [block for table in tables for block in split_file(table)]), Counter[str]())


def _explain_unlabelled(table: Table, clean: CleanTweets) -> str:
    """Return why no row of a table has a label: it has no row, its lines are no rows, or the column is empty."""
    lines = read_lines(split_file(table)[0], encoding=clean.encoding, max_chars=clean.max_chars)
    if lines.faults:
        first = lines.faults[0]
        return f"{table.path.name} has no usable row (line {first.line + 1}: {first.reason}): correct its lines."
    if not len(lines.table):
        return f"{table.path.name} has a header and no row: add rows, each a label and a text."
    return f"The column of labels in {table.path.name} is empty in each row: set clean.columns.label to another column."


def _sample_labels(tables: Sequence[Table]) -> Counter[str]:
    counts = Counter[str]()
    for table in tables:
        at, size = table.columns.index("label"), table.path.stat().st_size
        for place in range(PLACES) if size > 1 << 20 else [0]:
            lines = sample_lines(table.path, size * place // PLACES)
            rows = split_lines(lines[int(table.has_header and place == 0) :], table.separator)
            counts += Counter(row[at] for row in rows if len(row) == len(table.columns))
    return counts


def _find_codes(counts: Counter[str]) -> dict[str, str]:
    """Return the codes that explain most labels, or none if they explain fewer than LEAST_KNOWN of them."""
    whole = Counter[str]()
    for value, count in counts.items():
        whole[WHOLE.sub(r"\1", value)] += count
    known = [sum(whole[value] for value in codes) for codes in CODES]
    best = max(range(len(CODES)), key=lambda number: known[number])
    return CODES[best] if known[best] >= LEAST_KNOWN * whole.total() > 0 else {}
