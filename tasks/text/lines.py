"""Reads a table of texts block by block; lines that are no row are reported one by one."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from tasks.text.decode import decode_block, mend_line_ends
from tasks.text.layout import Table, match_row

BLOCK_BYTES = 8 << 20
START_CHARS = 140  # reported of a line that is set aside, so that a person can find it
ROLES = ("label", "date", "user", "text")


@dataclass(frozen=True)
class Block:
    """A range of a table's file that begins and ends at line boundaries."""

    table: Table
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
    """The rows of a block, the line number of each (int64), and the lines that are no row.

    The rows have the columns ROLES. A table of texts without a date or a user has "" there.
    """

    count: int
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    table: pa.Table
    faults: list[Fault]
    encodings: Counter[str]


def split_file(table: Table, block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Return the blocks of a table's file, each of about `block_bytes`."""
    blocks, start, end = [], 0, table.path.stat().st_size
    with table.path.open("rb") as file:
        while start < end:
            file.seek(min(start + block_bytes, end))
            file.readline()
            blocks.append(Block(table, start, file.tell() - start))
            start = file.tell()
    return blocks


def read_lines(block: Block, *, encoding: str, max_chars: int) -> Lines:
    """Return the rows of a block; lines that have not the table's number of values are in `faults`, with the reason.

    Every line is parsed separately: an unclosed quote makes only its own line unusable.
    """
    table = block.table
    with table.path.open("rb") as file:
        file.seek(block.start)
        decoded = decode_block(mend_line_ends(file.read(block.size), is_start=block.start == 0), encoding)
    offsets = np.concatenate([[0], decoded.ends]).astype(np.int32)
    lines = pa.StringArray.from_buffers(len(decoded.ends), pa.py_buffer(offsets), pa.py_buffer(decoded.data))
    pattern = match_row(table.separator, len(table.columns)).pattern
    good = pc.and_(pc.match_substring_regex(lines, pattern), pc.less_equal(pc.utf8_length(lines), max_chars))
    usable = good.to_numpy(zero_copy_only=False)
    usable[list(decoded.unread)] = False
    is_fault = ~usable
    if table.has_header and block.start == 0:
        usable[:1] = is_fault[:1] = False
    numbers = np.arange(len(lines))
    faults = [
        Fault(line, decoded.unread.get(line) or _name_fault(text, table, max_chars), text[:START_CHARS].rstrip("\n"))
        for line, text in zip(numbers[is_fault].tolist(), lines.filter(is_fault).to_pylist(), strict=True)
    ]
    rows = _parse(lines if usable.all() else lines.filter(pa.array(usable)), table)
    return Lines(len(lines), numbers[usable], rows, faults, decoded.encodings)


def _parse(lines: pa.StringArray, table: Table) -> pa.Table:
    """Return the columns ROLES of lines that are known to be rows."""
    if not len(lines):
        return pa.table({name: pa.array([], pa.string()) for name in ROLES})
    if len(table.separator) > 1:
        lines = _drop_blanks(lines, table)
    _, offsets, values = lines.buffers()
    bounds = np.frombuffer(offsets, np.int32)[lines.offset : lines.offset + len(lines) + 1]
    names = [role or f"column {place}" for place, role in enumerate(table.columns)]
    used = [role for role in ROLES if role in names]
    read = read_csv(
        pa.BufferReader(values[int(bounds[0]) : int(bounds[-1])]),
        ReadOptions(use_threads=False, block_size=max(1 << 20, int(bounds[-1])), column_names=names),
        ParseOptions(delimiter=table.separator[0]),
        ConvertOptions(column_types=dict.fromkeys(used, pa.string()), include_columns=used),
    )
    for role in [role for role in ROLES if role not in used]:
        read = read.append_column(role, pa.repeat(pa.scalar(""), len(read)))
    return read


def _drop_blanks(lines: pa.StringArray, table: Table) -> pa.StringArray:
    """Return lines without the blank after each separator that is outside of quotes."""
    value = rf'("(?:[^"]|"")*"|[^"{re.escape(table.separator[0])}]*)'
    pattern = rf"^{re.escape(table.separator).join([value] * len(table.columns))}(\n?)$"
    by = table.separator[0].join(rf"\{group + 1}" for group in range(len(table.columns)))
    return pc.replace_substring_regex(lines, pattern, rf"{by}\{len(table.columns) + 1}")


def _name_fault(line: str, table: Table, max_chars: int) -> str:
    if not line.strip():
        return "blank line"
    if len(line) > max_chars:
        return f"too long: {len(line)} characters, above clean.max_chars {max_chars}"
    if line.count('"') % 2:
        return "quote never closed"
    n_columns = len(next(csv.reader([line], delimiter=table.separator[0])))
    if n_columns != len(table.columns):
        names = f" ({', '.join(table.names)})" if table.has_header else ""
        return f"columns: {n_columns} where {len(table.columns)} are needed{names}"
    return 'stray quote: a " within a value must be doubled'
