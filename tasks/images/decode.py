"""Decode picture files to upright RGB: cleaning, features and predictions all use this module."""

import re
import struct
import threading
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from tasks.errors import UserError

# Formats of plain pixels only. For others Pillow runs external programs (Ghostscript for EPS), which is unsafe.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")

# Programs store megabytes of text in a PNG, such as the workflow that drew it: of each chunk, 32 MB are allowed.
PngImagePlugin.MAX_TEXT_CHUNK = 32 << 20

# What Pillow's readers raise for a corrupt file.
BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError,
    EOFError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip

# A file, or its content.
Source = Path | BytesIO
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOW_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_filter_lock = threading.Lock()


def read_picture(path: Source, least_px: int | None = None) -> Image.Image:
    """Return a picture in RGB, 8 bit, upright by its EXIF orientation; transparent pixels are blended with white.

    With `least_px` a larger JPEG is decoded at half, a quarter or an eighth of its size, much faster, as long as
    its shorter side keeps at least `least_px`. Of a file with several pictures, the first is returned. Raises
    UserError, naming the file, when it is no picture, is truncated, or exceeds Pillow's limit (about 179 million
    pixels).
    """
    try:
        with open_picture(path) as picture:
            if least_px is not None:
                picture.draft(picture.mode, (least_px, least_px))
            return make_rgb(picture, read_orientation(picture))
    except BROKEN as error:
        raise UserError(
            f"{path} cannot be read as a picture ({describe_fault(error)}). Repair or remove it."
        ) from error


def open_picture(path: Source) -> Image.Image:
    """Open a picture file and read only its header; raises one of `BROKEN`."""
    _silence_pillow()
    return Image.open(path, formats=FORMATS)


def starts_as_picture(start: bytes) -> bool:
    """Return whether the first bytes (16 or more) are those of one of `FORMATS`."""
    Image.init()
    accepts = [Image.OPEN[name][1] for name in FORMATS]
    return any(accept is None or accept(start[:16]) is True for accept in accepts)


def read_orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) when there is none or it cannot be read."""
    try:
        value = picture.getexif().get(_ORIENTATION_TAG)
    except BROKEN:
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def make_rgb(picture: Image.Image, orientation: int) -> Image.Image:
    """Decode an opened picture completely and return it in RGB, upright; raises one of `BROKEN`."""
    picture.load()
    turn = _TURNS.get(orientation)
    upright = picture if turn is None else picture.transpose(turn)
    if picture.has_transparency_data:
        clear = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    if upright.mode.startswith("I"):
        upright = _keep_high_byte(upright)
    if upright.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is unknown")
    return upright if upright.mode == "RGB" else upright.convert("RGB")


def describe_fault(error: BaseException) -> str:
    """Return what is wrong with a picture in a few words that contain no path."""
    if isinstance(error, UnidentifiedImageError):
        return "no picture, or cut within its first bytes"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def describe_depth(picture: Image.Image) -> str:
    """Return Pillow's name of a decoded picture's pixel format, with the bits used where they are 10, 12 or 14."""
    depth = _find_depth(np.asarray(picture)) if picture.mode.startswith("I") else 8
    return picture.mode if depth in (8, 16) else f"{picture.mode}, {depth} bits used"


def _keep_high_byte(picture: Image.Image) -> Image.Image:
    """Reduce a grey picture to 8 bits, by its real range: cameras and scanners store 10, 12 or 14 bits in 16."""
    values = np.asarray(picture)
    return Image.fromarray(np.clip(values >> (_find_depth(values) - 8), 0, 255).astype(np.uint8))


def _find_depth(values: NDArray[np.integer[Any]]) -> int:
    """Return the bits that the largest value needs: 8, 10, 12, 14 or 16."""
    return next((depth for depth in (8, 10, 12, 14) if values.max() < 1 << depth), 16)


def _silence_pillow() -> None:
    """Turn off Pillow's warnings (odd metadata, a size near its limit): whatever matters raises an error.

    It does so once and permanently, because Python's `catch_warnings` is not safe in several threads.
    """
    if _PILLOW_FILTER not in warnings.filters:
        with _filter_lock:
            if _PILLOW_FILTER not in warnings.filters:
                warnings.filterwarnings("ignore", module=r"PIL\.")
