"""A writer of uncompressed PNG files: the bytes do not depend on the version of zlib."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # of PNG, by the number of channels
_PALETTE = 3
_BLOCK_BYTES = 0xFFFF  # the longest stored block of deflate (RFC 1951, 3.2.4)
_ORIENTATION = 0x0112


def encode_png(pixels: Pixels, *, palette: Pixels | None = None, orientation: int = 1) -> bytes:
    """Return a PNG (W3C, PNG 3rd edition) of pixels (height, width, channels): grey, RGB or RGBA, 8 bit.

    With a `palette` (256, 3) the single channel holds indices into it. `orientation` is EXIF's, written when not 1.
    """
    height, width, channels = pixels.shape
    colour_type = _COLOUR_TYPES[channels] if palette is None else _PALETTE
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0))]
    if palette is not None:
        chunks.append((b"PLTE", palette.tobytes()))
    if orientation != 1:
        chunks.append((b"eXIf", struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)))
    unfiltered = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter: 0, none
    unfiltered[:, 1:] = pixels.reshape(height, -1)
    chunks += [(b"IDAT", _store(unfiltered.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_frame(kind, content) for kind, content in chunks)


def _frame(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _store(content: bytes) -> bytes:
    """Return a zlib stream (RFC 1950) that stores `content` uncompressed."""
    blocks = [content[start : start + _BLOCK_BYTES] for start in range(0, len(content), _BLOCK_BYTES)]
    stored = [
        struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF) + block
        for number, block in enumerate(blocks, start=1)
    ]
    return b"\x78\x01" + b"".join(stored) + struct.pack(">I", zlib.adler32(content))
