"""Every readable picture file is decoded to upright RGB, as a person would see it; others are refused by name."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.errors import UserError
from tasks.images.decode import FORMATS, read_orientation, read_picture, starts_as_picture
from tasks.images.png import encode_png
from tests.tasks.images.pictures import make_bomb, make_picture, make_pixels, write_picture

WHITE, RED = (255, 255, 255), (255, 0, 0)


def make_flat(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (9, 7), colour)  # type: ignore[arg-type]


def make_palette(transparent: bool) -> Image.Image:
    picture = make_flat("P", 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    if transparent:
        picture.info["transparency"] = b"\xff\x00"
    return picture


def make_grey12() -> Image.Image:
    return Image.fromarray(np.full((7, 9), 2_000, np.uint16))


def make_grey16() -> Image.Image:
    return Image.fromarray(np.full((7, 9), 40_000, np.uint16))


@pytest.mark.parametrize(
    ("make", "name", "colour"),
    [
        (lambda: make_flat("RGB", RED), "a.png", RED),
        (lambda: make_flat("L", 77), "a.png", (77, 77, 77)),
        (lambda: make_flat("1", 1), "a.png", WHITE),
        (lambda: make_palette(False), "a.png", RED),
        (lambda: make_palette(True), "a.png", WHITE),
        (lambda: make_palette(False), "a.gif", RED),
        (lambda: make_flat("RGBA", (0, 0, 255, 0)), "a.png", WHITE),
        (lambda: make_flat("RGBA", (0, 0, 0, 128)), "a.png", (127, 127, 127)),
        (lambda: make_flat("LA", (0, 0)), "a.png", WHITE),
        (lambda: make_flat("RGBA", (0, 0, 0, 0)), "a.webp", WHITE),
        (make_grey16, "a.png", (156, 156, 156)),
        (make_grey16, "a.tif", (156, 156, 156)),
        (make_grey12, "a.png", (125, 125, 125)),
        (lambda: make_flat("I", 77), "a.tif", (77, 77, 77)),
        (lambda: make_flat("CMYK", (0, 255, 255, 0)), "a.tif", RED),
        (lambda: make_flat("RGB", RED), "a.bmp", RED),
        (lambda: make_flat("RGB", RED), "a.ppm", RED),
    ],
)
def test_every_mode_becomes_the_rgb_that_is_seen(
    tmp_path: Path, make: Callable[[], Image.Image], name: str, colour: tuple[int, int, int]
) -> None:
    picture = read_picture(write_picture(tmp_path / name, make()))
    assert picture.mode == "RGB"
    assert picture.size == (9, 7)
    assert set(picture.get_flattened_data()) == {colour}


def test_a_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    picture = read_picture(write_picture(tmp_path / "a.jpg", make_flat("CMYK", (0, 255, 255, 0))))
    assert abs(np.asarray(picture).astype(int) - RED).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_comes_out_upright(tmp_path: Path, orientation: int) -> None:
    upright = make_pixels(1, 5, 3)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(stored, orientation=orientation))
    assert np.array_equal(read_picture(path), upright)


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00",
        b"Exif\x00\x00II*\x00",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x02\x00\x00\x00\x09\x7f\xff\xff\xff",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x63\x00\x00\x00\x00\x00\x00",
        b"Exif\x00\x00" + bytes(range(256)),
        b"nothing of that kind",
    ],
)
def test_corrupt_exif_is_no_fault_of_the_picture(tmp_path: Path, exif: bytes) -> None:
    path = write_picture(tmp_path / "a.jpg", 1, exif=exif)
    assert read_picture(path).size == (48, 40)
    with Image.open(path) as opened:
        assert read_orientation(opened) == 1


@pytest.mark.parametrize(
    ("least_px", "size"),
    [(None, (800, 400)), (400, (800, 400)), (201, (800, 400)), (200, (400, 200)), (51, (200, 100)), (9, (100, 50))],
)
def test_a_jpeg_is_read_at_the_smallest_size_that_is_large_enough(
    tmp_path: Path, least_px: int | None, size: tuple[int, int]
) -> None:
    path = write_picture(tmp_path / "a.jpg", make_picture(1, 800, 400))
    assert read_picture(path, least_px).size == size


def test_a_picture_that_is_small_already_stays_so(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.jpg", make_picture(1, 20, 10))
    assert read_picture(path, least_px=100).size == (20, 10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no picture, or cut within its first bytes"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (encode_png(make_pixels(1))[:500], "image file is truncated"),
        (make_bomb(14_000), "exceeds limit"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.png cannot be read as a picture \(.*{message}.*\). Repair or remove it"):
        read_picture(path)


def test_a_missing_file_and_pixels_without_a_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.png .*No such file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(UserError, match=r"a\.tif .*floating-point"):
        read_picture(write_picture(tmp_path / "a.tif", make_flat("F", 0.5)))


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_by_its_first_bytes(name: str) -> None:
    file = io.BytesIO()
    make_picture(1).save(file, name)
    assert starts_as_picture(file.getvalue())


@pytest.mark.parametrize("start", [b"", b"<html>", b"GIF", b"%PDF-1.7", b"%!PS-Adobe", b"\x00" * 16, b"ID3"])
def test_other_files_are_not_taken_for_pictures(start: bytes) -> None:
    assert not starts_as_picture(start)
