"""All rows of the files read, judged one by one and normalised; texts wait on disk, memory keeps what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.clean_table import Dropped
from tasks.parallel import map_cores
from tasks.report import Report
from tasks.text.dates import read_dates
from tasks.text.layout import CATEGORIES, Layout
from tasks.text.lines import START_CHARS, Block, Fault, Lines, split_file, read_lines
from tasks.text.text_hashes import TextHashes, hash_texts
from tasks.text.normalise import ADDRESS, NAME, normalise_texts
from tasks.text.repeats import Texts, join_hashes
from tasks.text.sections import CleanTweets

SCHEMA = pa.schema(
    [
        ("row", pa.int64()), ("label", pa.int8()), ("date", pa.timestamp("s")), ("user", pa.string()),
        ("text", pa.string()),
    ]
)  # fmt: skip
ONLY_MARKS = rf"^(?:(?:{ADDRESS}|{NAME})(?: |$))*$"
NEUTRAL = list(CATEGORIES).index("2")
USABLE, EMPTY, LEFT_OUT, UNKNOWN = range(4)
REASONS = {
    EMPTY: "empty: no text beside names and addresses",
    LEFT_OUT: "neutral: left out, as clean.neutral says",
    UNKNOWN: "unknown label: {!r} is none of 0 (negative), 2 (neutral) and 4 (positive)",
}


@dataclass(frozen=True)
class DroppedRow(Dropped):
    """A row of a file set aside: also its line, from 1, and how its text begins."""

    row: int
    text: str


@dataclass(frozen=True)
class Part:
    """The usable rows of a block of a file, in order: `row` (line from 1), label code, date, user, normalised text."""

    file: str
    split: str
    rows: pa.RecordBatch


@dataclass(frozen=True)
class Rows:
    """The usable rows of all files, their marks, what was set aside line by line, and the lines' encodings."""

    parts: list[Part]
    texts: Texts
    dropped: list[DroppedRow]
    encodings: Counter[str]


@dataclass(frozen=True)
class _CleanBlock:
    rows: pa.RecordBatch
    hashes: TextHashes
    lines: Lines
    faults: list[Fault]


@contextmanager
def gather_rows(layout: Layout, clean: CleanTweets, out: Path, report: Report) -> Iterator[Rows]:
    """Give the rows of the hand-labelled file, then of the training file; their texts lie in `out` meanwhile."""
    files = [(path, split) for path, split in layout.files if split == "train" or clean.test_file == "keep"]
    blocks = [(block, split) for path, split in files for block in split_file(path)]
    with TemporaryDirectory(dir=out) as place:
        spill = Path(place) / "rows.arrow"
        normalised = map_cores(lambda pair: clean_block(pair[0], clean), blocks)
        marks, dropped, encodings = [], [], Counter[str]()
        with pa.OSFile(str(spill), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            for (block, _), part in zip(blocks, _number_rows(blocks, normalised), strict=True):
                writer.write_batch(part.rows)
                marks.append(part.marks)
                dropped += [DroppedRow(block.path.name, one.reason, one.line, one.start) for one in part.faults]
                encodings += part.lines.encodings
                report.progress(len(marks), len(blocks), "blocks")
        with pa.memory_map(str(spill)) as file:
            reader = pa.ipc.open_file(file)
            parts = [Part(b.path.name, split, reader.get_batch(n)) for n, (b, split) in enumerate(blocks)]
            yield Rows(parts, _join(parts, marks), dropped, encodings)


def clean_block(block: Block, clean: CleanTweets) -> _CleanBlock:
    """Return the usable rows of a block, normalised, with the lines counted from the block's first, 0."""
    lines = read_lines(block, encoding=clean.encoding, max_chars=clean.max_chars)
    polarity, dates, users, texts = (_as_array(lines.table[name]) for name in ("polarity", "date", "user", "text"))
    codes = pc.index_in(pc.utf8_trim_whitespace(polarity), pa.array(list(CATEGORIES)))
    normalised = normalise_texts(texts, clean)
    reasons = _judge_rows(codes, normalised, clean)
    kept = pa.array(reasons == USABLE)
    columns = [pa.array(lines.numbers), pc.cast(codes, pa.int8()), pa.array(read_dates(dates)), users, normalised]
    rows = pa.RecordBatch.from_arrays([column.filter(kept) for column in columns], schema=SCHEMA)
    faults = [
        Fault(int(lines.numbers[place]), REASONS[reasons[place]].format(polarity[place].as_py()), texts[place].as_py())
        for place in np.flatnonzero(reasons).tolist()
    ]
    every = sorted([*lines.faults, *faults], key=lambda fault: fault.line)
    return _CleanBlock(rows, hash_texts(rows["text"], rows["user"]), lines, every)


def _judge_rows(codes: pa.Int32Array, normalised: pa.StringArray, clean: CleanTweets) -> NDArray[np.int8]:
    """Return for each row USABLE or the number of a reason in REASONS."""
    reasons = np.full(len(codes), USABLE, np.int8)
    reasons[pc.match_substring_regex(normalised, ONLY_MARKS).to_numpy(zero_copy_only=False)] = EMPTY
    if clean.neutral == "leave_out":
        reasons[pc.fill_null(pc.equal(codes, NEUTRAL), False).to_numpy(zero_copy_only=False)] = LEFT_OUT
    reasons[codes.is_null().to_numpy(zero_copy_only=False)] = UNKNOWN
    return reasons


def _number_rows(blocks: list[tuple[Block, str]], normalised: Iterable[_CleanBlock]) -> Iterator[_CleanBlock]:
    """Yield the parts with their lines counted from the first of their file, 1."""
    first = 1
    for (block, _), part in zip(blocks, normalised, strict=True):
        first = 1 if block.start == 0 else first
        rows = part.rows.set_column(0, "row", pc.add(part.rows["row"], first))
        faults = [replace(fault, line=fault.line + first, start=fault.start[:START_CHARS]) for fault in part.faults]
        yield replace(part, rows=rows, faults=faults)
        first += part.lines.count


def _join(parts: list[Part], hashes: list[TextHashes]) -> Texts:
    """Return what is known of all rows; the marks of the parts are let go, as both would fill much memory."""
    labels = np.concatenate([part.rows["label"].to_numpy() for part in parts])
    is_test = np.repeat([part.split == "test" for part in parts], [len(part.rows) for part in parts])
    joined = join_hashes(marks)
    marks.clear()
    return Texts(joined, labels, is_test)


def _as_array(column: pa.ChunkedArray) -> pa.StringArray:
    """Return a column as one array, also where it has no rows."""
    array = column.combine_chunks()
    return array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
