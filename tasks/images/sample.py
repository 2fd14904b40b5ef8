"""The embedded data: a small archive of drawn pictures, a folder for each class, the same bytes on every machine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from tasks.dice import Dice
from tasks.images.png import Pixels, encode_png
from tasks.images.shapes import SHAPES, draw_picture
from tasks.report import Report
from tasks.sample_archive import write_archive
from tasks.section import Section

ROOT = "trifold-pictures"
UNUSABLE = 9000  # number in the names of unusable pictures
FRAME_PX = 6  # transparent around the picture with alpha

File = tuple[str, bytes]


class SampleSection(Section):
    """The size and the seed of the embedded data."""

    pictures_per_class: int = Field(ge=20, le=1000, description="pictures of each of the five classes")
    seed: int = Field(ge=0, le=2**32 - 1, description="draws the pictures")


def make_sample(sample: SampleSection, *, out: Path, report: Report) -> None:
    """Write `archive.zip`, a folder of pictures for each class, and `archive.sha256`, its digest.

    The pictures are PNGs of 256 by 256 pixels. Their class is determined by shape or texture, never by colour or
    position. As in real data, the first picture of each class is unusual (grey, with a palette, with alpha, rotated by
    EXIF, larger), and some are unusable: a text, a truncated picture, a tiny one, a copy, and a copy in fewer colours.
    """
    files = sorted([*_make_usual(sample), *_make_odd(sample), *_make_unusable(sample)])
    members = [(f"{ROOT}/{name}", content) for name, content in files]
    write_archive(out, members, unit="pictures", report=report)


def _make_usual(sample: SampleSection) -> Iterator[File]:
    for category in SHAPES:
        for number in range(1, sample.pictures_per_class):
            yield _name_file(category, number), encode_png(_draw(sample, category, number))


def _make_odd(sample: SampleSection) -> Iterator[File]:
    cross, dots, ring, stripes, triangle = (_draw(sample, category, 0) for category in SHAPES)
    yield _name_file("cross", 0), encode_png((cross.sum(axis=2, keepdims=True) // 3).astype(np.uint8))
    yield _name_file("dots", 0), encode_png(_index_colours(dots), palette=_list_colours())
    yield _name_file("ring", 0), encode_png(_add_frame(ring))
    yield _name_file("stripes", 0), encode_png(np.rot90(stripes), orientation=6)
    yield _name_file("triangle", 0), encode_png(triangle.repeat(2, axis=0).repeat(2, axis=1))


def _make_unusable(sample: SampleSection) -> Iterator[File]:
    yield _name_file("cross", UNUSABLE), b"<html>The picture has moved.</html>\n"
    yield _name_file("dots", UNUSABLE), encode_png(_draw(sample, "dots", UNUSABLE))[:9000]
    yield _name_file("ring", UNUSABLE), encode_png(_draw(sample, "ring", UNUSABLE)[124:132, 124:132])
    yield _name_file("stripes", UNUSABLE), encode_png(_draw(sample, "stripes", 1))
    yield _name_file("triangle", UNUSABLE), encode_png(_draw(sample, "triangle", 1) // 8 * 8)


def _draw(sample: SampleSection, category: str, number: int) -> Pixels:
    return draw_picture(SHAPES[category], Dice(sample.seed, list(SHAPES).index(category), number))


def _name_file(category: str, number: int) -> str:
    return f"{category}/{category}-{number:04}.png"


def _index_colours(pixels: Pixels) -> Pixels:
    """Return each pixel's index into the 256 colours of `_list_colours`, rounded down: (height, width, 1)."""
    red, green, blue = pixels[..., :1] >> 5, pixels[..., 1:2] >> 5, pixels[..., 2:] >> 6
    return (red << 5 | green << 2 | blue).astype(np.uint8)


def _list_colours() -> Pixels:
    """Return eight reds by eight greens by four blues: (256, 3)."""
    index = np.arange(256)
    return np.stack([(index >> 5) * 36, (index >> 2 & 7) * 36, (index & 3) * 85], axis=1).astype(np.uint8)


def _add_frame(pixels: Pixels) -> Pixels:
    """Return a picture with alpha and a transparent frame: (height, width, 4)."""
    alpha = np.zeros((*pixels.shape[:2], 1), np.uint8)
    alpha[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX] = 255
    return np.concatenate([pixels, alpha], axis=2)
