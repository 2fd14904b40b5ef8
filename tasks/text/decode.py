"""Bytes to UTF-8, line by line: the original is Latin-1, and copies of it are either or both."""

import codecs
from collections import Counter


def _name_byte(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


# Latin-1, with Windows' quotes and dashes where Latin-1 has control characters, as browsers read it.
TABLE = "".join(_name_byte(byte) for byte in range(256))
NO_TEXT = "no text: it holds a zero byte"


def decode_block(data: bytes, encoding: str) -> tuple[bytes, dict[int, str], Counter[str]]:
    """Return `data` as UTF-8, the lines that are no text with the reason, and how many lines are in which encoding.

    `encoding` is utf-8, latin-1, or auto: each line that is not UTF-8 is Latin-1, which knows every byte. A line
    that cannot be read is kept, with its bytes told as Latin-1.
    """
    n_lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if data.isascii() and b"\0" not in data:
        return data, {}, Counter({"ascii": n_lines})
    unread: dict[int, str] = {}
    encodings: Counter[str] = Counter()
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        if b"\0" in line:
            unread[number] = NO_TEXT
        if not line.isascii():
            lines[number], name = _decode_line(line, encoding)
            encodings[name] += 1
            if name == "none":
                unread[number] = "encoding: not UTF-8, as clean.encoding says it must be"
    encodings["ascii"] = n_lines - encodings.total()
    return b"\n".join(lines), unread, encodings


def _decode_line(line: bytes, encoding: str) -> tuple[bytes, str]:
    """Return a line as UTF-8, and the name of the encoding that it was in."""
    if encoding != "latin-1":
        try:
            line.decode("utf-8")
            return line, "utf-8"
        except UnicodeDecodeError:
            pass
    text, _ = codecs.charmap_decode(line, "strict", TABLE)
    return text.encode(), "latin-1" if encoding != "utf-8" else "none"
