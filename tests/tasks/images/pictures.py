"""Synthetic pictures for the tests: another seed gives a different picture."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.images.png import encode_png


def make_pixels(seed: int, width: int = 48, height: int = 40) -> NDArray[np.uint8]:
    """Return coarse patches of random colours, (height, width, 3): smooth enough to survive JPEG."""
    patches = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC))


def make_picture(seed: int, width: int = 48, height: int = 40) -> Image.Image:
    """Return `make_pixels` as a picture in RGB."""
    return Image.fromarray(make_pixels(seed, width, height))


def make_bomb(side_px: int) -> bytes:
    """Return a PNG of a few bytes whose header claims `side_px` by `side_px` pixels."""
    png = encode_png(make_pixels(1, 1, 1))
    header = png[12:16] + struct.pack(">II", side_px, side_px) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def write_picture(path: Path, picture: int | Image.Image, **keys: Any) -> Path:
    """Write a picture, or the picture of a seed, in the format of the file's extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (make_picture(picture) if isinstance(picture, int) else picture).save(path, **keys)
    return path
