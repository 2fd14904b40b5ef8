"""Make a clean table of an archive of pictures in class folders; unusable files are set aside with the reason.

Each shard of the archive is checked by a stage of its own; one stage then makes the table of what they found.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from tasks.class_folders import MAX_NAMED, NOT_UTF8, Entry, Layout, find_layout
from tasks.clean_table import Dropped, count_kinds, write_examples, write_summary
from tasks.errors import UserError
from tasks.files import choose_shard, list_shard, list_shards
from tasks.images.near_duplicates import HashedPicture, find_duplicates, gather_hashes, group_near
from tasks.images.pictures import LARGEST_PIXELS, SUFFIXES, Picture, inspect_pictures
from tasks.report import Report
from tasks.section import Section
from tasks.shard_tables import read_checked, write_checked, write_kept
from tasks.splits import name_splits
from tasks.tables import read_rows

FETCHED = "dropped.csv"  # `fetch_addresses` writes it beside the shards
PICTURE_COLUMNS = (
    "example", "file", "fold", "split", "label", "category", "group", "width", "height", "mode", "orientation",
)  # fmt: skip


class CleanPictures(Section):
    """The conditions that a usable picture meets."""

    min_side_px: int = Field(ge=1, description="a picture whose shorter side is below this is too small, pixels")
    max_pixels: int = Field(
        ge=1, le=LARGEST_PIXELS, description="a picture whose header claims more is a decompression bomb"
    )
    near_duplicate_bits: int = Field(
        ge=-1,
        le=64,
        description="pictures whose hashes differ in this many of 64 bits or fewer are the same; -1: equal pixels",
    )
    group_bits: int = Field(
        ge=-1,
        le=64,
        description="pictures that differ in this many bits or fewer stay in one fold; -1: equal ones",
    )
    min_per_class: int = Field(ge=1, description="a class with fewer usable pictures ends the run")

    @model_validator(mode="after")
    def _check_bits(self) -> Self:
        if self.group_bits < self.near_duplicate_bits:
            raise ValueError(
                f"group_bits is {self.group_bits}; it must not be below near_duplicate_bits, which is "
                f"{self.near_duplicate_bits}: raise group_bits, or lower near_duplicate_bits"
            )
        return self


@dataclass(frozen=True)
class InspectedFile:
    """A file of the archive with what its inspection returned."""

    entry: Entry
    picture: Picture


@dataclass(frozen=True)
class DroppedPicture(Dropped):
    """A file or address that was set aside, with its split and class ("" if none)."""

    split: str
    category: str


def check_pictures(shard: Path, *, max_pixels: int, out: Path, report: Report) -> None:
    """Write what each file of a shard contains: every file is decoded completely.

    A file whose header claims more than `max_pixels` is not decoded.
    """
    files = list_shard(shard)
    write_checked(out, files, inspect_pictures(files, max_pixels, report))


def clean_pictures(archive: Path, checked: list[Path], clean: CleanPictures, *, out: Path, report: Report) -> None:
    """Write `examples.csv`, `classes.csv`, `dropped.csv`, `report.json`, `balance.png` and `sizes.png`.

    `archive` is the folder of the shards, `checked` what `check_pictures` wrote of each. For each shard the names of
    its usable pictures are written too, `kept-N.csv`; the examples stand in their order. Set aside are files that are
    no picture, unreadable, truncated, animated, too small, a decompression bomb or in no class folder, and pictures
    that are duplicates or near duplicates, in two splits, or under two labels. Addresses that `fetch_addresses` could
    not fetch are copied to `dropped.csv`. Labels number the sorted class names. Raises UserError when there are no
    class folders, or when a class has too few usable pictures or none in some split.
    """
    shards = list_shards(archive)
    pictures = read_checked(checked, Picture, chain.from_iterable(shards))
    layout = find_layout(chain.from_iterable(shards), SUFFIXES)
    report.say(layout.describe())
    kept, dropped = _split_usable([InspectedFile(entry, pictures[entry.file.name]) for entry in layout.entries], clean)
    dropped = _read_unfetched(archive) + dropped
    _check_classes(layout, kept, dropped, clean)
    kept.sort(key=lambda row: choose_shard(row.entry.file.name, len(shards)))
    _write_tables(out, kept, dropped, clean)
    write_kept(out, [row.entry.file for row in kept], len(shards))
    _draw_plots(out, kept)
    report.say(f"{len(kept)} pictures kept, {len(dropped)} set aside (dropped.csv says why).")


def _split_usable(
    rows: Sequence[InspectedFile], clean: CleanPictures
) -> tuple[list[InspectedFile], list[DroppedPicture]]:
    reasons = [find_fault(row, clean) for row in rows]
    usable = [number for number, reason in enumerate(reasons) if not reason]
    candidates = [_hash_picture(rows[number]) for number in usable]
    for number, reason in find_duplicates(candidates, clean.near_duplicate_bits, clean.group_bits).items():
        reasons[usable[number]] = reason
    kept = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    pairs = zip((row.entry for row in rows), reasons, strict=True)
    return kept, [DroppedPicture(entry.name, reason, entry.split, entry.category) for entry, reason in pairs if reason]


def find_fault(row: InspectedFile, clean: CleanPictures) -> str:
    """Return why a picture by itself cannot be used, or ""."""
    picture = row.picture
    if not row.entry.is_utf8:
        return NOT_UTF8
    if picture.fault:
        return picture.fault
    if row.entry.fault:
        return row.entry.fault
    if min(picture.width, picture.height) < clean.min_side_px:
        return f"too small: {picture.width} x {picture.height} pixels, a side below min_side_px {clean.min_side_px}"
    return ""


def _hash_picture(row: InspectedFile) -> HashedPicture:
    entry, picture = row.entry, row.picture
    return HashedPicture(entry.name, entry.split, entry.category, picture.digest, picture.phash)


def _read_unfetched(archive: Path) -> list[DroppedPicture]:
    """Return the addresses that `fetch_addresses` could not fetch."""
    rows = read_rows(archive / FETCHED) if (archive / FETCHED).exists() else []
    return [
        DroppedPicture(row["url"], row["reason"], name_splits([row["type"]])[row["type"]], row["class"]) for row in rows
    ]


def _check_classes(
    layout: Layout, kept: Sequence[InspectedFile], dropped: Sequence[DroppedPicture], clean: CleanPictures
) -> None:
    """Raise UserError unless there are two classes or more, each with enough pictures and some in every split."""
    folders = layout.folders | {(drop.split, drop.category) for drop in dropped if drop.split and drop.category}
    classes = sorted({category for _, category in folders})
    if len(classes) < 2:
        raise UserError(
            f"The archive has only one class folder, {classes[0]}. Two classes or more are needed: add another folder."
        )
    counts = Counter(row.entry.category for row in kept)
    too_small = [name for name in classes if counts[name] < clean.min_per_class]
    if too_small:
        losses = "; ".join(
            f"{name} has {counts[name]}, and {_describe_losses(name, dropped)}" for name in too_small[:MAX_NAMED]
        )
        more = f"; and {len(too_small) - MAX_NAMED} more classes" if len(too_small) > MAX_NAMED else ""
        raise UserError(
            f"Too few usable pictures: {losses}{more}. Every class needs {clean.min_per_class} or more "
            "(clean.min_per_class). Add pictures, lower clean.min_per_class, or remove the class's folder."
            + _advise_on_duplicates([drop for drop in dropped if drop.category in too_small], clean)
        )
    present = {(row.entry.split, row.entry.category) for row in kept}
    for split in sorted({split for split, _ in present}):
        missing = [name for name in classes if (split, name) not in present]
        if missing:
            of_split = [drop for drop in dropped if drop.split == split]
            losses = "; ".join(f"{name}, and {_describe_losses(name, of_split)}" for name in missing[:MAX_NAMED])
            more = f"; and {len(missing) - MAX_NAMED} more classes" if len(missing) > MAX_NAMED else ""
            raise UserError(
                f"The split {split} has no usable picture of {losses}{more}. Every split needs pictures of every "
                "class: add some, or remove the folders of the class or of the split."
            )


def _advise_on_duplicates(dropped: Iterable[DroppedPicture], clean: CleanPictures) -> str:
    """Return how to keep alike pictures, such as products on white or frames of a film, if they are most losses."""
    kinds = count_kinds(dropped)
    if 2 * (kinds["near duplicate"] + kinds["under two labels"]) <= kinds.total():
        return ""
    return (
        f" If the pictures that clean.near_duplicate_bits {clean.near_duplicate_bits} takes for the same are "
        "different, lower it; with --set clean.near_duplicate_bits=-1 only pictures with equal pixels are the same."
    )


def _describe_losses(category: str, dropped: Iterable[DroppedPicture]) -> str:
    reasons = count_kinds(drop for drop in dropped if drop.category == category)
    if not reasons:
        return "none was set aside"
    reason, count = min(reasons.items(), key=lambda item: (-item[1], item[0]))
    total = reasons.total()
    of_them = f"{count}" if count == total else f"most of them, {count},"
    return f"{total} {'was' if total == 1 else 'were'} set aside ({of_them} for: {reason})"


def _write_tables(
    out: Path, kept: Sequence[InspectedFile], dropped: Sequence[DroppedPicture], clean: CleanPictures
) -> None:
    balance = Counter(row.entry.category for row in kept)
    classes = [{"category": name, "examples": balance[name]} for name in sorted(balance)]
    groups = group_near(
        gather_hashes([_hash_picture(row) for row in kept], clean.group_bits), clean.group_bits
    ).tolist()
    rows = (_describe_picture(row, group) for row, group in zip(kept, groups, strict=True))
    write_examples(out, PICTURE_COLUMNS, rows, classes)
    write_summary(out, classes, dropped, _count(kept, groups))


def _describe_picture(row: InspectedFile, group: int) -> dict[str, object]:
    entry, picture = row.entry, row.picture
    return {
        "file": entry.name,
        "fold": "",
        "split": entry.split,
        "category": entry.category,
        "group": group,
        "width": picture.width,
        "height": picture.height,
        "mode": picture.mode,
        "orientation": picture.orientation,
    }


def _count(kept: Sequence[InspectedFile], groups: Sequence[int]) -> dict[str, object]:
    sides = sorted(min(row.picture.width, row.picture.height) for row in kept)
    return {
        "groups": len(set(groups)),
        "splits": dict(Counter(row.entry.split or "none" for row in kept)),
        "modes": dict(Counter(row.picture.mode for row in kept)),
        "orientations": dict(Counter(str(row.picture.orientation) for row in kept)),
        "shorter_side_px": {"smallest": sides[0], "median": sides[len(sides) // 2], "largest": sides[-1]},
    }


def _draw_plots(out: Path, kept: Sequence[InspectedFile]) -> None:
    from tasks.plots import make_axes, plot_bars, save_plot

    balance = Counter(row.entry.category for row in kept)
    plot_bars(out / "balance.png", dict(sorted(balance.items())), title="Pictures of each class", y_label="pictures")
    axes = make_axes("How large the pictures are", "width, pixels", "height, pixels")
    axes.scatter([row.picture.width for row in kept], [row.picture.height for row in kept], s=8, alpha=0.3)
    save_plot(axes, out / "sizes.png")
