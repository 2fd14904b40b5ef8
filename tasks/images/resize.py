"""Resize every picture to a square of one size, once, and store the squares on disk."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.features import write_features
from tasks.files import File
from tasks.images.decode import Source, read_picture
from tasks.parallel import map_cores
from tasks.report import Report
from tasks.shard_tables import read_kept

Pixels = NDArray[np.uint8]

DECODE_SCALE = 2
"""A JPEG is decoded at this many times the square's side or more, so that resampling still has pixels to average."""


def resize_pictures(shard: Path, kept: Path, *, pixels: int, out: Path, report: Report) -> None:
    """Write `features.npy`, uint8 (pictures, pixels, pixels, 3) RGB, and the size as `picture.json`.

    `kept` is the clean stage's table of the shard's usable pictures. Raises UserError when a file cannot be read or the
    disk is full.
    """
    files = read_kept(shard, kept)
    shape = (len(files), pixels, pixels, 3)
    write_features(out, _resize_all(files, pixels, report), shape=shape, dtype=np.uint8)
    (out / "picture.json").write_text(json.dumps({"pixels": pixels}, indent=2) + "\n")


def read_square(picture: Source, pixels: int) -> Pixels:
    """Return a picture file's square: (pixels, pixels, 3) RGB."""
    return crop_square(read_picture(picture, least_px=DECODE_SCALE * pixels), pixels)


def crop_square(picture: Image.Image, pixels: int) -> Pixels:
    """Crop the central square of an RGB picture and resample it to (pixels, pixels, 3).

    It is bicubic with antialiasing, as in Pillow, but computed by torch, which is several times faster.
    """
    import torch
    from torch.nn.functional import interpolate

    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    middle = np.array(picture)[top : top + side, left : left + side]
    planes = torch.from_numpy(middle).permute(2, 0, 1).unsqueeze(0)
    with torch.inference_mode():
        square = interpolate(planes, size=(pixels, pixels), mode="bicubic", antialias=True)
    cropped: Pixels = square[0].permute(1, 2, 0).numpy()
    return cropped


def _resize_all(files: list[File], pixels: int, report: Report) -> Iterator[Pixels]:
    """Yield (1, pixels, pixels, 3) for each picture; each is computed alone, so it depends on no other picture."""
    import torch  # noqa: F401  (imported here because the workers divide the cores only if torch is already imported)

    squares = map_cores(lambda file: read_square(file.open(), pixels), files)
    for done, square in enumerate(squares, start=1):
        yield square[None]
        report.progress(done, len(files), "pictures")
