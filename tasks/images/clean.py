"""An archive of pictures in class folders to a clean table: what cannot be used is set aside, with the reason."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from tasks.clean_table import Dropped, count_kinds, write_examples, write_summary
from tasks.errors import UserError
from tasks.images.layout import SPLITS, Layout, Place, find_layout
from tasks.images.pictures import LARGEST_PIXELS, Picture, inspect_pictures
from tasks.images.twins import Sight, find_twins, gather_looks, group_near
from tasks.report import Report
from tasks.section import Section
from tasks.tables import read_rows

FETCHED = "dropped.csv"  # of `fetch_addresses`, at the top of what it makes
FETCHED_COLUMNS = ("row", "url", "class", "type", "reason")
PICTURE_COLUMNS = (
    "example", "file", "fold", "split", "label", "category", "group", "width", "height", "mode", "orientation",
)  # fmt: skip


class CleanPictures(Section):
    """What counts as a usable picture."""

    min_side_px: int = Field(ge=1, description="a picture whose shorter side is below this is too small, pixels")
    max_pixels: int = Field(
        ge=1, le=LARGEST_PIXELS, description="a picture whose header claims more is a decompression bomb"
    )
    near_duplicate_bits: int = Field(
        ge=0, le=64, description="pictures whose perceptual hashes differ in no more of 64 bits are the same one"
    )
    group_bits: int = Field(ge=0, le=64, description="pictures that differ in no more bits stay on one side")
    min_per_class: int = Field(ge=1, description="a class with fewer usable pictures ends the run")

    @model_validator(mode="after")
    def _check_bits(self) -> Self:
        if self.group_bits < self.near_duplicate_bits:
            raise ValueError(
                f"group_bits {self.group_bits} must be near_duplicate_bits {self.near_duplicate_bits} or more"
            )
        return self


@dataclass(frozen=True)
class Row:
    """A file in a class folder, and the picture in it."""

    place: Place
    picture: Picture


@dataclass(frozen=True)
class Lost(Dropped):
    """A file or address set aside, and the split and class that it was of, if any."""

    split: str
    category: str


def clean_pictures(archive: Path, clean: CleanPictures, *, out: Path, report: Report) -> None:
    """Write `examples.csv`, `classes.csv`, `dropped.csv`, `report.json`, `balance.png` and `sizes.png`.

    Every file is decoded whole. Set aside: what is no picture, unreadable, truncated, animated, too small, a
    decompression bomb, in no class folder, or a picture again: the same or nearly so, in two splits, under two
    labels. What `fetch_addresses` could not fetch is carried over. Labels go by the sorted names of the classes.
    Raises UserError when no class folders are found, or when a class keeps too few pictures or lacks a split.
    """
    layout = find_layout(archive)
    is_fetched = _is_fetched(archive)
    places = [place for place in layout.places if not (is_fetched and place.file == FETCHED)]
    pictures = inspect_pictures([place.path for place in places], clean.max_pixels, report)
    kept, dropped = _sort_out([Row(*pair) for pair in zip(places, pictures, strict=True)], clean)
    dropped = (_read_unfetched(archive) if is_fetched else []) + dropped
    _check_classes(layout, kept, dropped, clean)
    _write_tables(out, kept, dropped, clean)
    _draw_plots(out, kept)
    report.say(f"{len(kept)} pictures kept, {len(dropped)} set aside (dropped.csv says why).")


def _sort_out(rows: Sequence[Row], clean: CleanPictures) -> tuple[list[Row], list[Lost]]:
    reasons = [_judge(row, clean) for row in rows]
    sound = [number for number, reason in enumerate(reasons) if not reason]
    sights = [_see(rows[number]) for number in sound]
    for number, reason in find_twins(sights, clean.near_duplicate_bits, clean.group_bits).items():
        reasons[sound[number]] = reason
    kept = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    pairs = zip((row.place for row in rows), reasons, strict=True)
    return kept, [Lost(place.file, reason, place.split, place.category) for place, reason in pairs if reason]


def _judge(row: Row, clean: CleanPictures) -> str:
    picture = row.picture
    if not row.place.is_plain:
        return "file name: it is not UTF-8 and is told here with its bytes escaped"
    if picture.fault:
        return picture.fault
    if not row.place.category:
        return "not in a class folder"
    if min(picture.width, picture.height) < clean.min_side_px:
        return f"too small: {picture.width} x {picture.height} pixels, a side below min_side_px {clean.min_side_px}"
    return ""


def _see(row: Row) -> Sight:
    place, picture = row.place, row.picture
    return Sight(place.file, place.split, place.category, picture.digest, picture.look)


def _is_fetched(archive: Path) -> bool:
    """Tell whether an archive is the work of `fetch_addresses`."""
    table = archive / FETCHED
    if not table.is_file():
        return False
    with table.open("rb") as file:
        return file.readline().strip() == ",".join(FETCHED_COLUMNS).encode()


def _read_unfetched(archive: Path) -> list[Lost]:
    """Return the addresses that `fetch_addresses` set aside."""
    rows = read_rows(archive / FETCHED, FETCHED_COLUMNS)
    return [Lost(row["url"], row["reason"], SPLITS.get(row["type"], ""), row["class"]) for row in rows]


def _check_classes(layout: Layout, kept: Sequence[Row], dropped: Sequence[Lost], clean: CleanPictures) -> None:
    """Raise UserError when there are no two classes, or one keeps too few pictures, or none in some split."""
    folders = layout.folders | {(drop.split, drop.category) for drop in dropped if drop.split and drop.category}
    names = sorted({category for _, category in folders})
    if len(names) < 2:
        raise UserError(f"Two classes or more are needed, and the only class folder is {names[0]}; add another.")
    counts = Counter(row.place.category for row in kept)
    poor = [name for name in names if counts[name] < clean.min_per_class]
    if poor:
        told = "; ".join(f"{name} keeps {counts[name]}{_tell_losses(name, dropped)}" for name in poor)
        raise UserError(
            f"A class needs {clean.min_per_class} usable pictures (clean.min_per_class): {told}. "
            "Add pictures, lower it, or take the class out."
        )
    there = {(row.place.split, row.place.category) for row in kept}
    for split in sorted({split for split, _ in there}):
        lacking = [name for name in names if (split, name) not in there]
        if lacking:
            told = "; ".join(
                f"{name}{_tell_losses(name, [d for d in dropped if d.split == split])}" for name in lacking
            )
            raise UserError(
                f"The split {split} has no usable picture of a class that other splits have: {told}. "
                "Every split needs every class: add some, or take the class or the split out."
            )


def _tell_losses(category: str, dropped: Iterable[Lost]) -> str:
    reasons = count_kinds(drop for drop in dropped if drop.category == category)
    if not reasons:
        return ", with none set aside"
    reason, count = min(reasons.items(), key=lambda item: (-item[1], item[0]))
    return f", with {reasons.total()} set aside, most of them ({count}) for: {reason}"


def _write_tables(out: Path, kept: Sequence[Row], dropped: Sequence[Lost], clean: CleanPictures) -> None:
    balance = Counter(row.place.category for row in kept)
    classes = [{"category": name, "examples": balance[name]} for name in sorted(balance)]
    groups = group_near(gather_looks([_see(row) for row in kept]), clean.group_bits).tolist()
    rows = (_describe_picture(row, group) for row, group in zip(kept, groups, strict=True))
    write_examples(out, PICTURE_COLUMNS, rows, classes)
    write_summary(out, classes, dropped, _count(kept, groups))


def _describe_picture(row: Row, group: int) -> dict[str, object]:
    place, picture = row.place, row.picture
    return {
        "file": place.file,
        "fold": "",
        "split": place.split,
        "category": place.category,
        "group": group,
        "width": picture.width,
        "height": picture.height,
        "mode": picture.mode,
        "orientation": picture.orientation,
    }


def _count(kept: Sequence[Row], groups: Sequence[int]) -> dict[str, object]:
    sides = sorted(min(row.picture.width, row.picture.height) for row in kept)
    return {
        "groups": len(set(groups)),
        "splits": dict(Counter(row.place.split or "none" for row in kept)),
        "modes": dict(Counter(row.picture.mode for row in kept)),
        "orientations": dict(Counter(str(row.picture.orientation) for row in kept)),
        "shorter_side_px": {"smallest": sides[0], "median": sides[len(sides) // 2], "largest": sides[-1]},
    }


def _draw_plots(out: Path, kept: Sequence[Row]) -> None:
    from tasks.plots import make_axes, plot_bars, save_plot

    balance = Counter(row.place.category for row in kept)
    plot_bars(out / "balance.png", dict(sorted(balance.items())), title="Pictures of each class", y_label="pictures")
    axes = make_axes("How large the pictures are", "width, pixels", "height, pixels")
    axes.scatter([row.picture.width for row in kept], [row.picture.height for row in kept], s=8, alpha=0.3)
    save_plot(axes, out / "sizes.png")
