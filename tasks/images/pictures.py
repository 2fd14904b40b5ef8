"""What a picture file really holds: decoded whole, on all cores."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tasks.images.decode import (
    BROKEN,
    make_rgb,
    open_picture,
    read_orientation,
    starts_as_picture,
    tell_fault,
)  # fmt: skip
from tasks.parallel import map_cores
from tasks.report import Report

LARGEST_PIXELS = 178_956_970  # what Pillow opens at most: half a gigabyte of RGB


@dataclass(frozen=True)
class Picture:
    """What was found in one file, as it is shown upright; `fault` says why there is nothing.

    `mode` is Pillow's name of what the file holds, `digest` of the RGB pixels and the shape, `look` the
    perceptual hash of 64 bit.
    """

    width: int = 0
    height: int = 0
    mode: str = ""
    orientation: int = 1
    digest: str = ""
    look: int = 0
    fault: str = ""


def inspect_pictures(paths: Sequence[Path], max_pixels: int, report: Report) -> list[Picture]:
    """Decode every file of at most `max_pixels` and return what each holds, in the same order."""
    pictures = []
    for picture in map_cores(partial(inspect_picture, max_pixels=max_pixels), paths):
        pictures.append(picture)
        report.progress(len(pictures), len(paths), "pictures")
    return pictures


def inspect_picture(path: Path, max_pixels: int) -> Picture:
    """Decode one file whole, at full size: only so is a truncated one found.

    The perceptual hash is phash of the library imagehash: the signs of the 8 x 8 lowest frequencies.
    """
    if path.stat().st_size == 0:
        return Picture(fault="not a picture: a file of zero bytes")
    try:
        with open_picture(path) as opened:
            return _look_at_header(opened, max_pixels) or _look_at_pixels(opened)
    except BROKEN as error:
        return Picture(fault=_name_fault(path, error))


def _look_at_header(opened: Image.Image, max_pixels: int) -> Picture | None:
    """Return what is wrong with a picture before it is decoded, if anything is."""
    width, height = opened.size
    if width * height > max_pixels:
        rule = f"more than max_pixels {max_pixels}"
        return Picture(fault=f"decompression bomb: its header claims {width} x {height} pixels, {rule}")
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and opened.format != "MPO":  # a camera's own: the picture, then previews or a depth map
        return Picture(fault=f"animated: {frames} pictures in one file")
    return None


def _look_at_pixels(opened: Image.Image) -> Picture:
    from imagehash import phash

    mode, orientation = opened.mode, read_orientation(opened)
    picture = make_rgb(opened, orientation)
    digest = hashlib.blake2b(f"{picture.width} {picture.height}".encode(), digest_size=16)
    digest.update(picture.tobytes())
    look = int.from_bytes(np.packbits(phash(picture).hash).tobytes(), "big")
    return Picture(picture.width, picture.height, mode, orientation, digest.hexdigest(), look)


def _name_fault(path: Path, error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"decompression bomb: its header claims more than {LARGEST_PIXELS} pixels"
    with path.open("rb") as file:
        start = file.read(16)
    if isinstance(error, UnidentifiedImageError):
        is_likely = starts_as_picture(start)
        return "unreadable: it begins as a picture and is damaged or cut" if is_likely else "not a picture"
    told = tell_fault(error)
    # libwebp does not say what is wrong; the file's own length does.
    cut_webp = start[:4] == b"RIFF" and int.from_bytes(start[4:8], "little") + 8 > path.stat().st_size
    return f"{'truncated' if cut_webp or 'runcat' in told else 'unreadable'}: {told}"
