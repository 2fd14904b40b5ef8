"""WAV files whose headers are wrong: recorders that were switched off, pipes, chunks without their pad byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tasks.files import File

HEADER_BYTES = 12
CHUNK = struct.Struct("<4sI")
LEAST_UNKNOWN = 0x7FFFF000  # what ffmpeg, sox and others write as the length when they write to a pipe

LEAST_BYTES = 1000  # fewer behind a header of no samples are further chunks, not samples


@dataclass(frozen=True)
class Chunk:
    """A part of a WAV file: its name, where its content begins, and the length that its header claims, in bytes."""

    name: bytes
    start: int
    claimed: int


def repair_wav(source: Path | BytesIO) -> BytesIO | None:
    """Return a WAV file whose samples reach to the end of the file, or None if it is no WAV file with samples."""
    with BytesIO(source.getvalue()) if isinstance(source, BytesIO) else source.open("rb") as file:
        start = file.read(HEADER_BYTES)
        content = start + file.read() if start[8:] == b"WAVE" else b""
    chunks = {chunk.name: chunk for chunk in list_chunks(content)}
    if b"fmt " not in chunks or b"data" not in chunks:
        return None
    form, data = chunks[b"fmt "], content[chunks[b"data"].start :]
    if len(data) < LEAST_BYTES:
        return None
    form_data = content[form.start : form.start + form.claimed]
    body = b"WAVE" + CHUNK.pack(b"fmt ", len(form_data)) + form_data + CHUNK.pack(b"data", len(data)) + data
    return BytesIO(CHUNK.pack(b"RIFF", len(body)) + body)


def count_lost_bytes(file: File) -> int:
    """Return how many bytes of samples a WAV file lacks that its header claims; 0 for other files."""
    data = next((chunk for chunk in list_chunks(file.read(1 << 16)) if chunk.name == b"data"), None)
    if data is None or data.claimed >= LEAST_UNKNOWN:
        return 0
    return max(0, data.start + data.claimed - file.count_bytes())


def list_chunks(content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a WAV file up to its samples; nothing if it is no WAV file."""
    if content[:4] not in (b"RIFF", b"RF64") or content[8:HEADER_BYTES] != b"WAVE":
        return
    place, name = HEADER_BYTES, b""
    while place + CHUNK.size <= len(content) and name != b"data":
        name, length = CHUNK.unpack_from(content, place)
        yield Chunk(name, place + CHUNK.size, length)
        place += CHUNK.size + length
        # A chunk of odd length has a pad byte, which some programs leave out.
        place += length % 2 and not content[place : place + 4].strip().isalnum()
