"""No picture disappears silently: every unusable file is set aside with the reason."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from pydantic import ValidationError

from tasks.class_folders import find_layout
from tasks.errors import UserError
from tasks.files import list_folder
from tasks.images.clean import CleanPictures
from tasks.images.pictures import SUFFIXES, inspect_picture
from tasks.images.png import encode_png
from tasks.plots import plot_bars
from tasks.tables import read_rows, write_rows
from tests.tasks.images.pictures import make_bomb, make_picture, make_pixels, write_picture
from tests.tasks.shards import as_file, clean_packed_pictures, pack

PLAIN = {"min_side_px": 16, "max_pixels": 10**6, "near_duplicate_bits": 2, "group_bits": 6, "min_per_class": 2}
GOOD = ["bees/a.png", "bees/b.jpg", "ants/a.jpg", "ants/b.png", "ants/c.bmp"]


def write_archive(archive: Path, *names: str, below: str = "set") -> Path:
    """Write a picture of its own for each name."""
    for seed, name in enumerate(names):
        write_picture(archive / below / name, seed)
    return archive


def run_clean(archive: Path, out: Path, *, beside: Sequence[Path] = (), **keys: object) -> Path:
    out.mkdir()
    packed = pack(archive, out.with_name(f"{out.name}-shards"))
    for path in beside:
        shutil.copy(path, packed)
    clean_packed_pictures(packed, CleanPictures.model_validate(PLAIN | keys), out)
    return out


def read_reasons(out: Path) -> dict[str, str]:
    return {row["file"]: row["reason"] for row in read_rows(out / "dropped.csv")}


def test_a_clean_table_says_what_each_picture_is(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD)
    turned = encode_png(np.rot90(make_pixels(9, 60, 20)), orientation=6)
    (archive / "set/bees/c.png").write_bytes(turned)
    write_picture(archive / "set/bees/d.png", make_picture(8).convert("L"))
    out = run_clean(archive, tmp_path / "out")
    rows = read_rows(out / "examples.csv")
    assert rows[0] == {
        "example": "0", "file": "set/ants/a.jpg", "fold": "", "split": "", "label": "0", "category": "ants",
        "group": "0", "width": "48", "height": "40", "mode": "RGB", "orientation": "1",
    }  # fmt: skip
    assert [row["file"] for row in rows] == sorted(row["file"] for row in rows)
    assert [row["label"] for row in rows] == ["0"] * 3 + ["1"] * 4
    assert (rows[5]["width"], rows[5]["height"], rows[5]["orientation"], rows[6]["mode"]) == ("60", "20", "6", "L")
    assert read_rows(out / "classes.csv") == [
        {"label": "0", "category": "ants", "examples": "3"},
        {"label": "1", "category": "bees", "examples": "4"},
    ]
    assert read_reasons(out) == {}
    summary = json.loads((out / "report.json").read_text())
    assert summary["classes"] == {"ants": 3, "bees": 4}
    assert summary["modes"] == {"RGB": 6, "L": 1}
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in ("balance.png", "sizes.png"))


def save(picture: Image.Image, name: str, **keys: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **keys)
    return file.getvalue()


def animate(name: str) -> bytes:
    return save(make_picture(7), name, save_all=True, append_images=[make_picture(8)])


PNG, JPEG, WEBP = encode_png(make_pixels(7)), save(make_picture(7), "JPEG"), save(make_picture(7), "WEBP")


FAULTS = [
    (b"", "not a picture: a file of zero bytes"),
    (b"<html>The picture has moved.</html>", "not a picture"),
    (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ", "not a picture"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "EPS: cannot be read; convert it to PNG"),
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC: cannot be read; convert it to JPEG"),
    (PNG[:-60], "truncated: image file is truncated"),
    (PNG[:1000], "truncated:"),
    (JPEG[:-10], "truncated:"),
    (JPEG[:-300], "truncated:"),
    (JPEG[:30], "truncated:"),
    (WEBP[:-20], "truncated:"),
    (save(make_picture(7), "GIF")[:-200], "truncated:"),
    (save(make_picture(7), "BMP")[:-1], "truncated:"),
    (save(make_picture(7), "TIFF")[:-1000], "truncated:"),
    (PNG[:10], "unreadable:"),
    (PNG[:30], "unreadable: it begins as a picture and is damaged or cut"),
    (PNG[:20] + b"\xff\xff" + PNG[22:], "unreadable: it begins as a picture and is damaged or cut"),
    (save(make_picture(7).convert("F"), "TIFF"), "unreadable: its pixels are floating-point"),
    (animate("GIF"), "animated: 2 pictures in one file"),
    (animate("PNG"), "animated: 2 pictures in one file"),
    (animate("WEBP"), "animated: 2 pictures in one file"),
    (encode_png(make_pixels(7, 15, 400)), "too small: 15 x 400 pixels, a side below min_side_px 16"),
    (encode_png(make_pixels(7, 1, 1)), "too small: 1 x 1"),
    (make_bomb(1001), "decompression bomb: its header claims 1001 x 1001 pixels, more than max_pixels 1000000"),
    (make_bomb(12_000), "decompression bomb: its header claims 12000 x 12000"),
    (make_bomb(40_000), "decompression bomb: its header claims more than"),
]


def test_files_that_cannot_be_used_are_set_aside(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD)
    names = [f"set/bees/fault{number:02}.png" for number in range(len(FAULTS))]
    for name, (content, _) in zip(names, FAULTS, strict=True):
        (archive / name).write_bytes(content)
    out = run_clean(archive, tmp_path / "out")
    reasons = read_reasons(out)
    assert list(reasons) == names
    pairs = [(reasons[name], reason) for name, (_, reason) in zip(names, FAULTS, strict=True)]
    wrong = [(actual, expected) for actual, expected in pairs if expected not in actual]
    assert not wrong
    kinds = Counter(reason.split(":")[0] for _, reason in FAULTS)
    assert json.loads((out / "report.json").read_text())["dropped"] == kinds
    assert len(read_rows(out / "examples.csv")) == len(GOOD)


def test_a_picture_that_is_there_again_is_set_aside(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD, "bees/c.png")
    for name, pixels in {"x": make_pixels(0), "y": make_pixels(0) // 8 * 8, "z": make_pixels(3)}.items():
        (archive / f"set/bees/{name}.png").write_bytes(encode_png(pixels))
    reasons = read_reasons(run_clean(archive, tmp_path / "out"))
    near = reasons.pop("set/bees/y.png")
    assert near.startswith("near duplicate:")
    assert near.endswith("bits from set/bees/a.png")
    assert reasons == {
        "set/ants/b.png": "under two labels: the same picture as set/bees/z.png (bees)",
        "set/bees/x.png": "exact duplicate: the same pixels as set/bees/a.png",
        "set/bees/z.png": "under two labels: the same picture as set/ants/b.png (ants)",
    }


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "PPM", "AVIF"])
def test_no_damage_is_more_than_a_reason(tmp_path: Path, name: str) -> None:
    whole, draw = np.frombuffer(save(make_picture(7), name), np.uint8), np.random.default_rng(1)
    path = tmp_path / "a"
    for _ in range(40):
        content = whole.copy()
        places = draw.integers(0, min(len(whole), 300), 4)
        content[places] = draw.integers(0, 256, 4)
        path.write_bytes(content.tobytes())
        picture = inspect_picture(as_file(path), max_pixels=10**6)
        assert bool(picture.fault) != bool(picture.digest)
        assert str(tmp_path) not in picture.fault


def test_a_camera_s_picture_with_its_preview_is_no_animation(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(save(make_picture(7), "MPO", save_all=True, append_images=[make_picture(8)]))
    assert inspect_picture(as_file(path), max_pixels=10**6).fault == ""


@pytest.mark.parametrize(
    "exif", [b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09"]
)
def test_corrupt_exif_sets_nothing_aside(tmp_path: Path, exif: bytes) -> None:
    picture = inspect_picture(as_file(write_picture(tmp_path / "a.jpg", 7, exif=exif)), max_pixels=10**6)
    assert (picture.fault, picture.orientation) == ("", 1)


def test_stray_files_are_rows_too(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD)
    strays = [
        "README.md",
        "__MACOSX/set/ants/._a.jpg",
        "dropped.csv",
        "set/ants/.DS_Store",
        "set/ants/Thumbs.db",
        "set/labels.txt",
    ]
    for name in strays:
        (archive / name).parent.mkdir(parents=True, exist_ok=True)
        (archive / name).write_bytes(b"\x00stray")
    for name in (".hidden/a.png", "set/cover.png"):
        write_picture(archive / name, 7)
    out = run_clean(archive, tmp_path / "out")
    homeless = dict.fromkeys([".hidden/a.png", "set/cover.png"], "not in a class folder")
    assert read_reasons(out) == dict.fromkeys(strays, "not a picture") | homeless
    assert [row["category"] for row in read_rows(out / "classes.csv")] == ["ants", "bees"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ants/a.png", "bees/a.png"], {("", "ants"), ("", "bees")}),
        (["a/b/ants/a.png", "a/b/bees/x/a.png"], {("", "ants"), ("", "bees")}),
        (["train/ants/a.png", "test/ants/a.png"], {("train", "ants"), ("test", "ants")}),
        (["set/train/ants/a.png", "set/val/ants/a.png"], {("train", "ants"), ("valid", "ants")}),
        (["Train/ants/a.png", "validation/ants/a.png"], {("train", "ants"), ("valid", "ants")}),
        (["train/ants/images/a.png", "valid/ants/a.png"], {("train", "ants"), ("valid", "ants")}),
        (["train/a.png", "test/a.png", "bus/a.png"], {("", "train"), ("", "test"), ("", "bus")}),
    ],
)
def test_each_layout_is_found(tmp_path: Path, names: list[str], expected: set[tuple[str, str]]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    layout = find_layout(list_folder(tmp_path), SUFFIXES)
    assert layout.folders == expected
    assert [entry.name for entry in layout.entries] == sorted(names)
    assert {(entry.split, entry.category) for entry in layout.entries} == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "the top of the archive contains no folder, only nothing"),
        (["a.png", "b.png"], "the top of the archive contains no folder, only a.png, b.png"),
        (["set/ants/a.png"], "the only folder with examples, set/ants, contains no folder, only a.png"),
        ([f"set/{n}.png" for n in range(7)], "contains no folder, only 0.png, 1.png, 2.png, 3.png, 4.png and 2 more"),
        (["train/ants/a.png", "test/ants/a.png"], "The archive has only one class folder, ants. Two classes or more"),
    ],
)
def test_an_archive_in_another_layout_is_named(tmp_path: Path, names: list[str], message: str) -> None:
    (tmp_path / "archive").mkdir()
    archive = write_archive(tmp_path / "archive", *names, below=".")
    with pytest.raises(UserError, match=message):
        run_clean(archive, tmp_path / "out", min_per_class=1)


def break_file(path: Path) -> None:
    path.write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("spoil", "keys", "message"),
    [
        (lambda root: break_file(root / "train/ants/a.png"), {"min_per_class": 4},
         r"Too few usable pictures: ants has 3, and 1 was set aside \(1 for: not a picture\). "
         "Every class needs 4 or more .clean.min_per_class."),
        (lambda root: shutil.rmtree(root / "train/ants") or shutil.rmtree(root / "test/ants"), {},
         "The archive has only one class folder, bees"),
        (lambda root: break_file(root / "test/ants/c.png") or break_file(root / "test/ants/d.png"), {},
         r"The split test has no usable picture of ants, and 2 were set aside \(2 for: not a picture\)"),
        (lambda root: shutil.rmtree(root / "test/ants"), {}, "The split test .* of ants, and none was set aside"),
    ],
)  # fmt: skip
def test_a_class_that_is_too_small_or_missing_ends_the_run(
    tmp_path: Path, spoil: Callable[[Path], object], keys: dict[str, object], message: str
) -> None:
    names = [f"{split}/{name}" for name in ("ants", "bees") for split in ("train", "test")]
    files = [f"{name}/{letter}.png" for name in names for letter in ("ab" if "train" in name else "cd")]
    archive = write_archive(tmp_path / "archive", *files, below=".")
    spoil(archive)
    with pytest.raises(UserError, match=message):
        run_clean(archive, tmp_path / "out", **keys)
    assert not list((tmp_path / "out").iterdir())


def test_the_same_picture_in_two_splits_leaves_the_test_part_whole(tmp_path: Path) -> None:
    names = [f"{split}/{name}/{n}.png" for split in ("train", "val", "test") for name in ("ants", "bees") for n in "ab"]
    archive = write_archive(tmp_path / "archive", *names)
    shutil.copy(archive / "set/test/ants/a.png", archive / "set/train/ants/copy.png")
    shutil.copy(archive / "set/test/ants/b.png", archive / "set/val/ants/copy.png")
    reasons = read_reasons(run_clean(archive, tmp_path / "out"))
    assert reasons == {
        "set/train/ants/copy.png": "in two splits: the same picture as set/test/ants/a.png (test)",
        "set/val/ants/copy.png": "in two splits: the same picture as set/test/ants/b.png (test)",
    }


def test_pictures_that_look_alike_share_a_group(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD)
    original, copy = make_picture(7), make_picture(7).rotate(6)
    for name, picture in {"x": original, "y": copy}.items():
        write_picture(archive / f"set/ants/{name}.png", picture)
    rows = read_rows(run_clean(archive, tmp_path / "out", group_bits=24) / "examples.csv")
    groups = {row["file"]: row["group"] for row in rows}
    assert groups["set/ants/x.png"] == groups["set/ants/y.png"]
    rows = read_rows(run_clean(archive, tmp_path / "strict", group_bits=2) / "examples.csv")
    assert len({row["group"] for row in rows}) == len(rows) == len(GOOD) + 2


@pytest.mark.parametrize(
    ("bits", "kept"), [({}, 1), ({"near_duplicate_bits": -1}, 2), ({"near_duplicate_bits": -1, "group_bits": -1}, 2)]
)
def test_pictures_that_look_alike_may_all_be_kept(tmp_path: Path, bits: dict[str, int], kept: int) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD)
    for name, pixels in {"x": make_pixels(7), "y": make_pixels(7) // 8 * 8, "z": make_pixels(7)}.items():
        (archive / f"set/bees/{name}.png").write_bytes(encode_png(pixels))
    rows = read_rows(run_clean(archive, tmp_path / "out", **bits) / "examples.csv")
    groups = [row["group"] for row in rows if Path(row["file"]).stem in "xyz"]
    assert len(groups) == kept
    assert len(set(groups)) == (2 if "group_bits" in bits else 1)


def test_frames_of_a_film_are_told_how_to_stay(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD)
    for n in range(3):
        pixels = make_pixels(1).copy()
        pixels[0, 0] = n
        (archive / f"set/bees/frame{n}.png").write_bytes(encode_png(pixels))
    with pytest.raises(
        UserError, match=r"bees has 2.*with --set clean\.near_duplicate_bits=-1 only pictures with equal pixels"
    ):
        run_clean(archive, tmp_path / "out", min_per_class=4)


def test_the_bits_that_a_grey_picture_uses_are_reported(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD)
    grey = np.asarray(make_picture(9).convert("L")).astype(np.uint16) * 16
    Image.fromarray(grey).save(archive / "set/bees/scan.png")
    modes = json.loads((run_clean(archive, tmp_path / "out") / "report.json").read_text())["modes"]
    assert modes == {"RGB": 5, "I;16, 12 bits used": 1}


def test_a_picture_with_megabytes_of_text_is_read(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 2_000_000, zip=True)
    make_picture(7).save(tmp_path / "a.png", pnginfo=text)
    assert inspect_picture(as_file(tmp_path / "a.png"), max_pixels=10**6).fault == ""


@pytest.mark.parametrize("names", [("$5_$10", "$10_$20"), ("\u732b", "\u72ac"), ("[b] bold", "--help")])
def test_a_class_may_have_any_name(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = write_archive(tmp_path / "archive", *(f"{name}/{n}.png" for name in names for n in "ab"))
    out = run_clean(archive, tmp_path / "out")
    assert [row["category"] for row in read_rows(out / "classes.csv")] == sorted(names)
    assert (out / "balance.png").is_file()


def test_a_plot_of_a_thousand_classes_stays_small(tmp_path: Path) -> None:
    plot_bars(tmp_path / "a.png", {f"class {n}": n for n in range(1000)}, title="", y_label="")
    with Image.open(tmp_path / "a.png") as plot:
        assert max(plot.size) < 2000


def test_what_could_not_be_fetched_is_carried_over(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", "train/ants/0001.png", "train/ants/0002.png", "train/bees/0003.png",
                            "train/bees/0004.png", "test/ants/0005.png", "test/bees/0006.png", below=".")  # fmt: skip
    columns = ["row", "url", "class", "type", "reason"]
    lost = [
        ("7", "http://a/b.jpg", "bees", "test", "status 404: Not Found"),
        ("8", "http://a/c", "x", "", "unknown type"),
    ]
    write_rows(tmp_path / "dropped.csv", columns, [dict(zip(columns, row, strict=True)) for row in lost])
    out = run_clean(archive, tmp_path / "out", beside=[tmp_path / "dropped.csv"])
    assert read_reasons(out) == {"http://a/b.jpg": "status 404: Not Found", "http://a/c": "unknown type"}
    assert json.loads((out / "report.json").read_text())["dropped"] == {"status 404": 1, "unknown type": 1}


def test_a_class_of_dead_addresses_is_missed(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *(f"train/{name}/{n}.png" for name in ("ants", "bees") for n in "ab"))
    columns = ["row", "url", "class", "type", "reason"]
    lost = ("7", "http://a/b.jpg", "wasps", "train", "status 404: Not Found")
    write_rows(tmp_path / "dropped.csv", columns, [dict(zip(columns, lost, strict=True))])
    with pytest.raises(UserError, match=r"wasps has 0, and 1 was set aside \(1 for: status 404\)"):
        run_clean(archive, tmp_path / "out", beside=[tmp_path / "dropped.csv"])


def test_a_name_that_is_not_utf8_is_set_aside(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD)
    write_picture(archive / "set/bees/c.png", 9).rename(archive / "set/bees/caf\udce9.png")
    reasons = read_reasons(run_clean(archive, tmp_path / "out"))
    assert list(reasons) == ["set/bees/caf\\udce9.png"]
    assert reasons.popitem()[1].startswith("file name: it is not UTF-8")


def test_the_looser_distance_is_no_smaller() -> None:
    with pytest.raises(ValidationError, match="group_bits is 1; it must not be below near_duplicate_bits, which is 2"):
        CleanPictures.model_validate(PLAIN | {"group_bits": 1})


def test_the_tables_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", *GOOD, "bees/d.png")
    (archive / "set/bees/z.jpg").write_bytes(JPEG[:-100])
    first, second = (run_clean(archive, tmp_path / name) for name in ("first", "second"))
    assert Counter(path.suffix for path in first.iterdir()) == {".csv": 4, ".json": 1, ".png": 2}
    assert all((second / path.name).read_bytes() == path.read_bytes() for path in first.iterdir())
