"""The sizes of pictures in training: read by the flow, the resizing and the training stages."""

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

from pydantic import Field

from tasks.learning.recipe import Schedule

ALL = "all"


class Size(Schedule):
    """One size of progressive resizing, with its training schedule.

    Networks learn small pictures first, and their weights carry over to larger ones (the book's chapter 4).
    """

    removed: ClassVar[Mapping[str, str]] = {"lr": "a network learns with one rate at all sizes: set members.NAME.lr"}

    pixels: int = Field(ge=8, le=1024, description="side of the square that every picture is resized to")
    strength: float = Field(ge=0, le=1, description="factor on the augmentation at this size; 0: flips only")


def list_pixels(sizes: Mapping[str, Size]) -> list[int]:
    """Return the different sides of the squares, the smallest first."""
    return sorted({size.pixels for size in sizes.values()})


def pick_sizes(sizes: Mapping[str, Size], wanted: str) -> dict[str, Size]:
    """Return the sizes that a member learns at, in order: all of them, or only the size named `wanted`."""
    return dict(sizes) if wanted == ALL else {wanted: sizes[wanted]}


def count_epochs(sizes: Mapping[str, Size], label: str) -> tuple[int, int]:
    """Return the epochs of the sizes before `label`, and those of all sizes."""
    epochs = [size.epochs for size in sizes.values()]
    return sum(epochs[: list(sizes).index(label)]), sum(epochs)


def check_sizes(sizes: Mapping[str, Size], wanted: Mapping[str, str]) -> None:
    """Raise ValueError if there is no size, if sizes decrease, or if a member (name: `sizes`) names an unknown size.

    Two sizes with the same pixels are two cycles of one training; the weights at the end of each are snapshots for the
    ensemble (Huang et al. 2017, "Snapshot Ensembles: Train 1, Get M for Free").
    """
    if not sizes:
        raise ValueError("sizes is empty: add at least one size, for example small")
    if invalid := [name for name in sizes if name == ALL or not name.isidentifier()]:
        raise ValueError(
            f"sizes.{invalid[0]}: a size's name begins with a letter, has letters, digits and _, and is not {ALL!r}"
        )
    for (first, smaller), (second, larger) in pairwise(sizes.items()):
        if larger.pixels < smaller.pixels:
            raise ValueError(
                f"sizes decrease: {second} with {larger.pixels} px follows {first} with {smaller.pixels} px; "
                "the weights carry over from small pictures to large ones, so put the smaller size first"
            )
    for name, size in wanted.items():
        if size != ALL and size not in sizes:
            raise ValueError(f"members.{name}.sizes is {size!r}; it must be {ALL} or one of {', '.join(sizes)}")
