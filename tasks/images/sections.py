"""The sizes that pictures are learned at: read by the flow, the resizing and the training stages."""

from collections.abc import Mapping
from itertools import pairwise

from pydantic import Field

from tasks.learning.recipe import Schedule

ALL = "all"


class Size(Schedule):
    """One size of progressive resizing, and how long the networks learn at it.

    Small pictures first, the weights carried on to larger ones (the book's chapter 4).
    """

    pixels: int = Field(ge=8, le=1024, description="side of the square that every picture is cut to")
    strength: float = Field(ge=0, le=1, description="factor on the augmentation at this size; 0: flips only")


def list_pixels(sizes: Mapping[str, Size]) -> list[int]:
    """Return the different sides of the squares, the smallest first."""
    return sorted({size.pixels for size in sizes.values()})


def pick_sizes(sizes: Mapping[str, Size], wanted: str) -> dict[str, Size]:
    """Return the sizes that a member learns at, in order: all of them, or the one of that name."""
    return dict(sizes) if wanted == ALL else {wanted: sizes[wanted]}


def count_epochs(sizes: Mapping[str, Size], label: str) -> tuple[int, int]:
    """Return the epochs of the sizes before the one of that name, and of all."""
    epochs = [size.epochs for size in sizes.values()]
    return sum(epochs[: list(sizes).index(label)]), sum(epochs)


def check_sizes(sizes: Mapping[str, Size], wanted: Mapping[str, str]) -> None:
    """Raise ValueError when there is no size, they go down, or a member (name: `sizes`) asks for one that is not there.

    Two sizes of the same pixels are two cycles of one training, whose ends are snapshots for the ensemble
    (Huang et al. 2017, "Snapshot Ensembles: Train 1, Get M for Free").
    """
    if not sizes:
        raise ValueError("sizes holds none: name at least one, such as small")
    if odd := [name for name in sizes if name == ALL or not name.isidentifier()]:
        raise ValueError(f"sizes.{odd[0]}: a size's name is letters and digits only, and not {ALL!r}")
    for (first, one), (second, other) in pairwise(sizes.items()):
        if other.pixels < one.pixels:
            raise ValueError(
                f"sizes go down: {second} with {other.pixels} px follows {first} with {one.pixels} px; "
                "the weights go from small pictures to large ones, so put the smaller first"
            )
    for name, asked in wanted.items():
        if asked != ALL and asked not in sizes:
            raise ValueError(f"members.{name}.sizes is {asked!r}; it must be {ALL} or one of {', '.join(sizes)}")
