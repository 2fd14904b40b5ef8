"""Decodes files line by line: the original is Latin-1, and copies of it are Latin-1, UTF-8 or a mixture."""

import codecs
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def _name_byte(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


# Latin-1 as browsers read it: Windows' quotes and dashes in place of Latin-1's control characters.
TABLE = "".join(_name_byte(byte) for byte in range(256))
UNREAD = {
    "binary": "no text: it holds a zero byte",
    "unknown": "encoding: not UTF-8, as clean.encoding says it must be",
}


@dataclass(frozen=True)
class Decoded:
    """A block of lines as UTF-8, the end of each, the unreadable lines with the reason, and the encodings."""

    data: bytes
    ends: NDArray[np.int64]
    unread: dict[int, str]
    encodings: Counter[str]


def decode_block(data: bytes, encoding: str) -> Decoded:
    """Return a block of lines as UTF-8.

    `encoding` is utf-8, latin-1, or auto: each line that is not UTF-8 is read as Latin-1, in which every byte is valid.
    An unreadable line is kept, with its bytes decoded as Latin-1.
    """
    letters = np.frombuffer(data, np.uint8)
    ends = find_ends(data)
    odd = np.unique(np.searchsorted(ends, np.flatnonzero((letters > 127) | (letters == 0)), side="right"))
    unread: dict[int, str] = {}
    encodings = Counter({"ascii": len(ends) - len(odd)})
    pieces, start = [], 0
    for number in odd.tolist():
        first = int(ends[number - 1]) if number else 0
        line, name = _decode_line(data[first : ends[number]], encoding)
        encodings[name] += 1
        if name in UNREAD:
            unread[number] = UNREAD[name]
        pieces += [data[start:first], line]
        start = int(ends[number])
    pieces.append(data[start:])
    whole = b"".join(pieces) if odd.size else data
    return Decoded(whole, find_ends(whole) if len(whole) != len(data) else ends, unread, encodings)


def mend_line_ends(data: bytes, *, is_start: bool) -> bytes:
    """Return a block of lines that end in a newline alone, without the byte order mark at the start of a file.

    Windows writes CR LF, Python there sometimes CR CR LF, and Excel for the Macintosh CR. A CR within a line becomes a
    blank.
    """
    data = data.removeprefix(codecs.BOM_UTF8) if is_start else data
    if b"\r" not in data:
        return data
    if data.count(b"\r") > 2 * data.count(b"\n"):
        return data.replace(b"\r", b"\n")
    return re.sub(rb"\r+\n", b"\n", data).replace(b"\r", b" ")


def find_ends(data: bytes) -> NDArray[np.int64]:
    """Return the offset after each line of `data`, line end included, (lines)."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    return ends if data.endswith(b"\n") or not data else np.append(ends, len(data))


def _decode_line(line: bytes, encoding: str) -> tuple[bytes, str]:
    """Return a line as UTF-8, and the name of its encoding, or a key of UNREAD."""
    if encoding != "latin-1":
        try:
            line.decode("utf-8")
            return line, "binary" if b"\0" in line else "utf-8"
        except UnicodeDecodeError:
            pass
    text, _ = codecs.charmap_decode(line, "strict", TABLE)
    return text.encode(), "binary" if b"\0" in line else "latin-1" if encoding != "utf-8" else "unknown"
