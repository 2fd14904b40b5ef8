"""Reads all rows of the files, checks and normalises each; texts are kept on disk, their hashes in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.class_folders import MAX_NAMED, shorten
from tasks.clean_table import Dropped
from tasks.parallel import map_cores
from tasks.report import Report
from tasks.text.dates import read_dates
from tasks.text.labels import encode_labels
from tasks.text.layout import Layout
from tasks.text.lines import ROLES, START_CHARS, Block, Fault, Lines, read_lines, split_file
from tasks.text.normalise import ADDRESS, NAME, normalise_texts
from tasks.text.repeats import Texts, join_hashes
from tasks.text.sections import CleanTweets
from tasks.text.text_hashes import TextHashes, hash_texts

SCHEMA = pa.schema(
    [
        ("row", pa.int64()), ("label", pa.int8()), ("date", pa.timestamp("s")), ("user", pa.string()),
        ("text", pa.string()),
    ]
)  # fmt: skip
ONLY_MARKS = rf"^(?:(?:{ADDRESS}|{NAME})(?: |$))*$"
NEUTRAL = "neutral"
USABLE, EMPTY, LEFT_OUT, UNKNOWN = range(4)
REASONS = {
    EMPTY: "empty: no text beside @names and web addresses",
    LEFT_OUT: "neutral: left out, as clean.neutral says",
    UNKNOWN: "unknown label: {!r} is none of {}",
}


@dataclass(frozen=True)
class DroppedRow(Dropped):
    """A row that was set aside, with its line number, from 1, and the beginning of its text."""

    row: int
    text: str


@dataclass(frozen=True)
class BlockRows:
    """The usable rows of a block of a file, in order: `row` (line from 1), label code, date, user, normalised text."""

    file: str
    split: str
    rows: pa.RecordBatch


@dataclass(frozen=True)
class Rows:
    """The usable rows of all files, their hashes, the rows set aside, the encodings of the lines, and the classes.

    `names` are the classes in the order of their codes.
    """

    blocks: list[BlockRows]
    texts: Texts
    dropped: list[DroppedRow]
    encodings: Counter[str]
    names: list[str]


@dataclass(frozen=True)
class CleanBlock:
    """The usable rows of a block, their hashes, its lines, and all lines that are set aside."""

    rows: pa.RecordBatch
    hashes: TextHashes
    lines: Lines
    faults: list[Fault]


@contextmanager
def gather_rows(
    layout: Layout, labels: Mapping[str, str], clean: CleanTweets, *, out: Path, report: Report
) -> Iterator[Rows]:
    """Yield the rows of the test table, then of the training table; temporary files are in `out`.

    `labels` is the class of each label, in the order of the classes' codes.
    """
    blocks = [block for table in layout.tables for block in split_file(table)]
    with TemporaryDirectory(dir=out) as place:
        spill = Path(place) / "rows.arrow"
        cleaned = map_cores(lambda block: clean_block(block, labels, clean), blocks)
        hashes, dropped, encodings = [], [], Counter[str]()
        with pa.OSFile(str(spill), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            for block, clean_rows in zip(blocks, _number_rows(blocks, cleaned), strict=True):
                writer.write_batch(clean_rows.rows)
                hashes.append(clean_rows.hashes)
                name = block.table.path.name
                dropped += [DroppedRow(name, f.reason, f.line, f.start) for f in clean_rows.faults]
                encodings += clean_rows.lines.encodings
                report.progress(len(hashes), len(blocks), "blocks")
        with pa.memory_map(str(spill)) as file:
            reader = pa.ipc.open_file(file)
            tables = [block.table for block in blocks]
            rows = [BlockRows(t.path.name, t.split, reader.get_batch(n)) for n, t in enumerate(tables)]
            yield Rows(rows, _join(rows, hashes), dropped, encodings, list(dict.fromkeys(labels.values())))


def clean_block(block: Block, known: Mapping[str, str], clean: CleanTweets) -> CleanBlock:
    """Return the usable rows of a block, normalised; line numbers count from the block's first line, 0."""
    lines = read_lines(block, encoding=clean.encoding, max_chars=clean.max_chars)
    labels, dates, users, texts = (_as_array(lines.table[name]) for name in ROLES)
    codes = encode_labels(labels, known)
    normalised = normalise_texts(texts, clean)
    names = list(dict.fromkeys(known.values()))
    left_out = names.index(NEUTRAL) if clean.neutral == "leave_out" and NEUTRAL in names else None
    reasons = _check_rows(codes, normalised, left_out)
    kept = pa.array(reasons == USABLE)
    columns = [pa.array(lines.numbers), pc.cast(codes, pa.int8()), pa.array(read_dates(dates)), users, normalised]
    rows = pa.RecordBatch.from_arrays([column.filter(kept) for column in columns], schema=SCHEMA)
    meanings = _join_meanings(known)
    faults = [
        Fault(
            int(lines.numbers[place]),
            REASONS[reasons[place]].format(labels[place].as_py(), meanings),
            texts[place].as_py(),
        )
        for place in np.flatnonzero(reasons).tolist()
    ]
    every = sorted([*lines.faults, *faults], key=lambda fault: fault.line)
    return CleanBlock(rows, hash_texts(rows["text"], rows["user"]), lines, every)


def _join_meanings(known: Mapping[str, str]) -> str:
    """Return the labels with their classes in words, at most MAX_NAMED."""
    pairs = [value if value == name else f"{value} ({name})" for value, name in known.items()]
    return shorten(pairs) if len(pairs) > MAX_NAMED else " and ".join(filter(None, [", ".join(pairs[:-1]), pairs[-1]]))


def _check_rows(codes: pa.Int32Array, normalised: pa.StringArray, left_out: int | None) -> NDArray[np.int8]:
    """Return for each row USABLE or the number of a reason in REASONS."""
    reasons = np.full(len(codes), USABLE, np.int8)
    reasons[pc.match_substring_regex(normalised, ONLY_MARKS).to_numpy(zero_copy_only=False)] = EMPTY
    if left_out is not None:
        reasons[pc.fill_null(pc.equal(codes, left_out), False).to_numpy(zero_copy_only=False)] = LEFT_OUT
    reasons[codes.is_null().to_numpy(zero_copy_only=False)] = UNKNOWN
    return reasons


def _number_rows(blocks: list[Block], cleaned: Iterable[CleanBlock]) -> Iterator[CleanBlock]:
    """Yield the blocks with line numbers that count from the first line of their file, 1."""
    first = 1
    for block, clean_rows in zip(blocks, cleaned, strict=True):
        first = 1 if block.start == 0 else first
        rows = clean_rows.rows.set_column(0, "row", pc.add(clean_rows.rows["row"], first))
        faults = [replace(f, line=f.line + first, start=f.start[:START_CHARS]) for f in clean_rows.faults]
        yield replace(clean_rows, rows=rows, faults=faults)
        first += clean_rows.lines.count


def _join(blocks: list[BlockRows], hashes: list[TextHashes]) -> Texts:
    """Return the data of all rows; the blocks' hashes are deleted, because both copies would need much memory."""
    labels = np.concatenate([block.rows["label"].to_numpy() for block in blocks])
    is_test = np.repeat([block.split == "test" for block in blocks], [len(block.rows) for block in blocks])
    joined = join_hashes(hashes)
    hashes.clear()
    return Texts(joined, labels, is_test)


def _as_array(column: pa.ChunkedArray) -> pa.StringArray:
    """Return a column as a single array, even if it has no rows."""
    array = column.combine_chunks()
    return array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
