"""The pictures on disk are the centres of the files, in order, resampled well, and the same bytes each time."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.errors import UserError
from tasks.features import Features, open_features
from tasks.files import name_shard
from tasks.images.resize import crop_square, read_square, resize_pictures
from tasks.report import Silent
from tasks.shard_tables import name_kept
from tasks.tables import write_rows
from tests.tasks.shards import pack

N_PICTURES = 30  # more than wait in memory at once
SIZES = [(40, 40), (61, 40), (40, 75), (9, 7)]


def make_waves(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return a smooth colour picture, which JPEG and any good filter keep."""
    phases = np.random.default_rng(seed).uniform(0, 6, 3)
    across, down = np.meshgrid(np.linspace(0, 5, width), np.linspace(0, 4, height))
    waves = np.stack([np.sin(across + phase) * np.cos(down - phase) for phase in phases], axis=2)
    return Image.fromarray((127.5 + 100 * waves).astype(np.uint8))


def write_pictures(root: Path, pictures: list[Image.Image], suffix: str = ".png") -> tuple[Path, Path]:
    """Write pictures and the table of those that are kept: all."""
    archive, table = root / "archive", root / "pictures"
    archive.mkdir()
    table.mkdir()
    for n, picture in enumerate(pictures):
        picture.save(archive / f"{n}{suffix}", quality=95)
    write_rows(table / name_kept(0), ["file"], [{"file": f"{n}{suffix}"} for n in range(len(pictures))])
    return archive, table


def resize(data: tuple[Path, Path], out: Path, pixels: int = 16) -> Features:
    archive = pack(data[0], out.with_name(f"{out.name}-shards"))
    out.mkdir()
    resize_pictures(archive / name_shard(0), data[1] / name_kept(0), pixels=pixels, out=out, report=Silent())
    return open_features([out])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pictures = [make_waves(*SIZES[n % len(SIZES)], seed=n) for n in range(N_PICTURES)]
    return write_pictures(tmp_path_factory.mktemp("data"), pictures)


def test_what_is_on_disk_is_each_picture_s_square_in_order(data: tuple[Path, Path], tmp_path: Path) -> None:
    features = resize(data, tmp_path / "out")
    assert features.shape == (N_PICTURES, 16, 16, 3) and features.dtype == np.uint8
    for n in range(N_PICTURES):
        np.testing.assert_array_equal(features[n], read_square(data[0] / f"{n}.png", 16))
    assert json.loads((tmp_path / "out/picture.json").read_text()) == {"pixels": 16}


def test_the_features_are_the_same_bytes_each_time(data: tuple[Path, Path], tmp_path: Path) -> None:
    resize(data, tmp_path / "a")
    resize(data, tmp_path / "b")
    assert (tmp_path / "a/features.npy").read_bytes() == (tmp_path / "b/features.npy").read_bytes()


@pytest.mark.parametrize("pixels", [8, 32, 64])
@pytest.mark.parametrize("size", SIZES)
def test_a_square_is_the_middle_resampled_as_pillow_does(size: tuple[int, int], pixels: int) -> None:
    picture, side = make_waves(*size), min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    middle = picture.crop((left, top, left + side, top + side))
    expected = np.asarray(middle.resize((pixels, pixels), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(crop_square(picture, pixels) - expected).max() <= 1, "more than a rounding apart"


@pytest.mark.parametrize("size", [(90, 30), (30, 90)])
def test_what_lies_outside_the_middle_is_cut_off(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, "red")
    picture.paste("blue", (size[0] // 2 - 15, size[1] // 2 - 15, size[0] // 2 + 15, size[1] // 2 + 15))
    assert (crop_square(picture, 16) == (0, 0, 255)).all()


def test_fine_patterns_become_their_mean_not_other_patterns() -> None:
    board = np.indices((256, 256)).sum(0) % 2 * 255
    square = crop_square(Image.fromarray(np.stack([board] * 3, axis=2).astype(np.uint8)), 32)
    assert np.abs(square.astype(float) - 127.5).max() <= 1


def test_a_large_jpeg_gives_what_its_png_gives(tmp_path: Path) -> None:
    picture = make_waves(800, 600)
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "a.jpg", quality=95)
    ours, expected = (read_square(tmp_path / name, 64).astype(float) for name in ("a.jpg", "a.png"))
    assert np.abs(ours - expected).mean() < 1


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    data = write_pictures(tmp_path, [make_waves(20, 20)] * 2)
    (data[0] / "1.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1\.png"):
        resize(data, tmp_path / "out")
