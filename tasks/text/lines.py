"""Reads a CSV file in Sentiment140's layout block by block; lines that are no row are reported one by one."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ReadOptions, read_csv

from tasks.text.decode import decode_block
from tasks.text.layout import COLUMNS

BLOCK_BYTES = 8 << 20
START_CHARS = 140  # reported of a line that is set aside, so that a person can find it
# Six values, quoted or plain, and nothing else.
_VALUE = r'(?:"(?:[^"]|"")*"|[^",]*)'
ROW = rf"^{_VALUE}(?:,{_VALUE}){{{len(COLUMNS) - 1}}}\r?\n?$"


@dataclass(frozen=True)
class Block:
    """A range of a file that begins and ends at line boundaries."""

    path: Path
    start: int
    size: int


@dataclass(frozen=True)
class Fault:
    """A line that is set aside: its number from 0, the reason, and its beginning."""

    line: int
    reason: str
    start: str


@dataclass(frozen=True)
class Lines:
    """The rows of a block: a table of text columns, the line number of each (int64), and the lines that are no row."""

    count: int
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    table: pa.Table
    faults: list[Fault]
    encodings: Counter[str]


def split_file(path: Path, block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Return the blocks of a file, each of about `block_bytes`."""
    blocks, start, end = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while start < end:
            file.seek(min(start + block_bytes, end))
            file.readline()
            blocks.append(Block(path, start, file.tell() - start))
            start = file.tell()
    return blocks


def read_lines(block: Block, *, encoding: str, max_chars: int) -> Lines:
    """Return the rows of a block; lines that are no row of six values are in `faults`, with the reason.

    Every line is parsed separately: an unclosed quote makes only its own line unusable.
    """
    with block.path.open("rb") as file:
        file.seek(block.start)
        decoded = decode_block(file.read(block.size), encoding)
    offsets = np.concatenate([[0], decoded.ends]).astype(np.int32)
    lines = pa.StringArray.from_buffers(len(decoded.ends), pa.py_buffer(offsets), pa.py_buffer(decoded.data))
    good = pc.and_(pc.match_substring_regex(lines, ROW), pc.less_equal(pc.utf8_length(lines), max_chars))
    usable = good.to_numpy(zero_copy_only=False)
    usable[list(decoded.unread)] = False
    numbers = np.arange(len(lines))
    faults = [
        Fault(line, decoded.unread.get(line) or _name_fault(text, max_chars), text[:START_CHARS].rstrip("\r\n"))
        for line, text in zip(numbers[~usable].tolist(), lines.filter(~usable).to_pylist(), strict=True)
    ]
    table = _parse(lines if usable.all() else lines.filter(pa.array(usable)))
    return Lines(len(lines), numbers[usable], table, faults, decoded.encodings)


def _parse(lines: pa.StringArray) -> pa.Table:
    """Return the six columns of lines that are known to be rows."""
    if not len(lines):
        return pa.table({name: pa.array([], pa.string()) for name in COLUMNS})
    _, offsets, values = lines.buffers()
    bounds = np.frombuffer(offsets, np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return read_csv(
        pa.BufferReader(values[int(bounds[0]) : int(bounds[-1])]),
        ReadOptions(use_threads=False, block_size=max(1 << 20, int(bounds[-1])), column_names=list(COLUMNS)),
        convert_options=ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
    )


def _name_fault(line: str, max_chars: int) -> str:
    if not line.strip():
        return "blank line"
    if len(line) > max_chars:
        return f"too long: {len(line)} characters, above clean.max_chars {max_chars}"
    if line.count('"') % 2:
        return "quote never closed"
    n_columns = len(next(csv.reader([line])))
    if n_columns != len(COLUMNS):
        return f"columns: {n_columns} where {len(COLUMNS)} are needed ({', '.join(COLUMNS)})"
    return 'stray quote: a " within a value must be doubled'
