"""Inspect picture files: each is decoded completely, on all cores."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, UnidentifiedImageError

from tasks.file_formats import name_format
from tasks.files import File
from tasks.images.decode import (
    BROKEN,
    describe_depth,
    describe_fault,
    make_rgb,
    open_picture,
    read_orientation,
    starts_as_picture,
)
from tasks.parallel import map_cores
from tasks.report import Report

SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
    ".avif", ".heic", ".heif",
})  # fmt: skip
LARGEST_PIXELS = 178_956_970  # Pillow's own limit: half a gigabyte of RGB


@dataclass(frozen=True)
class Picture:
    """The content of one file, shown upright; `fault` says why the file is unusable.

    `mode` is Pillow's name of the pixel format, `digest` that of the RGB pixels and the shape, `phash` the
    perceptual hash of 64 bits.
    """

    width: int = 0
    height: int = 0
    mode: str = ""
    orientation: int = 1
    digest: str = ""
    phash: int = 0
    fault: str = ""


def inspect_pictures(files: Sequence[File], max_pixels: int, report: Report) -> list[Picture]:
    """Decode every file of at most `max_pixels` and return the content of each, in the same order."""
    pictures = []
    for picture in map_cores(partial(inspect_picture, max_pixels=max_pixels), files):
        pictures.append(picture)
        report.progress(len(pictures), len(files), "pictures")
    return pictures


def inspect_picture(file: File, max_pixels: int) -> Picture:
    """Decode one file completely, at full size, because nothing less detects a truncated file.

    The perceptual hash is `phash` of the library imagehash: the signs of the 8 x 8 lowest frequencies.
    """
    return _inspect(file, max_pixels, _inspect_pixels)


def inspect_header(file: File, max_pixels: int) -> Picture:
    """Read the header of one file: its size and pixel format; a file with a good header may still be damaged."""
    return _inspect(file, max_pixels, lambda opened: Picture(*opened.size, opened.mode))


def _inspect(file: File, max_pixels: int, read: Callable[[Image.Image], Picture]) -> Picture:
    if file.count_bytes() == 0:
        return Picture(fault="not a picture: a file of zero bytes")
    try:
        with open_picture(file.open()) as opened:
            return _find_header_fault(opened, max_pixels) or read(opened)
    except BROKEN as error:
        return Picture(fault=_name_fault(file, error))


def _find_header_fault(opened: Image.Image, max_pixels: int) -> Picture | None:
    """Return a faulty picture if the header alone shows that it is unusable, else None."""
    width, height = opened.size
    if width * height > max_pixels:
        rule = f"more than max_pixels {max_pixels}"
        return Picture(fault=f"decompression bomb: its header claims {width} x {height} pixels, {rule}")
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and opened.format != "MPO":  # cameras write MPO: the picture, then previews or a depth map
        return Picture(fault=f"animated: {frames} pictures in one file")
    return None


def _inspect_pixels(opened: Image.Image) -> Picture:
    import imagehash

    orientation = read_orientation(opened)
    picture = make_rgb(opened, orientation)
    mode = describe_depth(opened)
    digest = hashlib.blake2b(f"{picture.width} {picture.height}".encode(), digest_size=16)
    digest.update(picture.tobytes())
    phash = int.from_bytes(np.packbits(imagehash.phash(picture).hash).tobytes(), "big")
    return Picture(picture.width, picture.height, mode, orientation, digest.hexdigest(), phash)


def _name_fault(file: File, error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"decompression bomb: its header claims more than {LARGEST_PIXELS} pixels"
    start = file.read(16)
    if isinstance(error, UnidentifiedImageError):
        if starts_as_picture(start):
            return "unreadable: it begins as a picture and is damaged or cut"
        return name_format(start) or "not a picture"
    fault = describe_fault(error)
    # libwebp does not say that a file is truncated, but the file's length shows it.
    cut_webp = start[:4] == b"RIFF" and int.from_bytes(start[4:8], "little") + 8 > file.count_bytes()
    return f"{'truncated' if cut_webp or 'runcat' in fault else 'unreadable'}: {fault}"
