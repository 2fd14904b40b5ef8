"""Who trains, who chooses, who judges: the folds of a data set and the rounds made of them."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.errors import UserError
from tasks.section import Section
from tasks.tables import read_rows, write_rows

MAX_NAMED = 5  # offenders named in a message


class Folds(Section):
    """How the clips are divided."""

    mode: Literal["holdout", "cross_validation"] = Field(description="one round for working, or n for measuring")
    n_folds: int = Field(ge=2, le=100, description="number of folds; the data's own when it has them")
    valid: int = Field(ge=1, description="holdout: the fold that chooses (early stopping, ensemble weights)")
    test: int = Field(ge=1, description="holdout: the fold that judges")
    seed: int = Field(ge=0, le=2**32 - 1, description="draws the folds of data that has none")

    @property
    def held_out(self) -> list[int]:
        """The fold that each round holds out, one number a round."""
        return [self.test] if self.mode == "holdout" else list(range(1, self.n_folds + 1))

    @property
    def rounds(self) -> list["Sides"]:
        """The rounds, one for each held-out fold; in cross-validation nothing is chosen, so `valid` is empty."""
        valid = [self.valid] if self.mode == "holdout" else []
        every = range(1, self.n_folds + 1)
        return [
            Sides(tuple(fold for fold in every if fold not in (*valid, test)), tuple(valid), (test,))
            for test in self.held_out
        ]

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        if self.mode == "holdout":
            if self.n_folds < 3:
                raise ValueError(f"holdout needs n_folds of 3 or more (train, valid, test), not {self.n_folds}")
            if self.valid == self.test or max(self.valid, self.test) > self.n_folds:
                raise ValueError(
                    f"valid {self.valid} and test {self.test} must be two different folds of 1..{self.n_folds}"
                )
        return self


@dataclass(frozen=True)
class Sides:
    """The fold numbers of one round."""

    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]

    def named(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return the sides that have folds, each with its name."""
        sides = [("train", self.train), ("valid", self.valid), ("test", self.test)]
        return [(name, folds) for name, folds in sides if folds]


@dataclass(frozen=True)
class Round:
    """The rows of one round, int64 indices into the features; `valid` is empty in cross-validation."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class _Clip:
    label: int
    group: str
    fold: int | None


def split_folds(clips: Path, folds: Folds, *, out: Path) -> None:
    """Write `folds.csv` (clip, label, group, fold) and `folds.json` (the mode and its rounds).

    The data's own folds are taken when the clean table has them; else scikit-learn draws folds that keep the
    classes in proportion and every group (recording) whole. Raises UserError when the folds are not 1..n_folds,
    a group stands on two sides of a round, or a class is missing from a side.
    """
    table = [_read_clip(row) for row in read_rows(clips / "clips.csv", ["label", "group", "fold"])]
    own = [clip.fold for clip in table if clip.fold is not None]
    numbers = own if own else _draw_folds(table, folds)
    if len(numbers) != len(table):
        raise UserError(f"{len(table) - len(own)} clips have no fold and {len(own)} have one: give all or none.")
    _check_numbers(numbers, folds.n_folds)
    for sides in folds.rounds:
        _check_groups(table, numbers, sides)
        _check_classes(table, numbers, sides)
    _write_folds(out, table, numbers, folds)


def read_round(folds: Path, held_out: int) -> Round:
    """Return the rows of the round that holds out fold `held_out`, from a stage that `split_folds` made."""
    rounds = json.loads((folds / "folds.json").read_text())["rounds"]
    sides = next((each for each in rounds if each["test"] == [held_out]), None)
    if sides is None:
        known = ", ".join(str(each["test"][0]) for each in rounds)
        raise UserError(f"No round holds out fold {held_out}; the rounds hold out {known}.")
    numbers = np.array([int(row["fold"]) for row in read_rows(folds / "folds.csv", ["fold"])])
    train, valid, test = (np.flatnonzero(np.isin(numbers, sides[name])) for name in ("train", "valid", "test"))
    return Round(train, valid, test)


def _read_clip(row: dict[str, str]) -> _Clip:
    return _Clip(int(row["label"]), row["group"], int(row["fold"]) if row["fold"] else None)


def _draw_folds(table: list[_Clip], folds: Folds) -> list[int]:
    from sklearn.model_selection import StratifiedGroupKFold

    _check_enough_groups(table, folds.n_folds)
    splitter = StratifiedGroupKFold(folds.n_folds, shuffle=True, random_state=folds.seed)
    numbers = [0] * len(table)
    labels, groups = [clip.label for clip in table], [clip.group for clip in table]
    for fold, (_, held_out) in enumerate(splitter.split(labels, labels, groups), start=1):
        for row in held_out:
            numbers[row] = fold
    return numbers


def _check_enough_groups(table: list[_Clip], n_folds: int) -> None:
    groups: dict[int, set[str]] = defaultdict(set)
    for clip in table:
        groups[clip.label].add(clip.group)
    for label, names in sorted(groups.items()):
        if len(names) < n_folds:
            raise UserError(
                f"Class {label} comes from {len(names)} recordings, too few for {n_folds} folds; "
                f"set folds.n_folds to {len(names)} or less, or add recordings."
            )


def _check_numbers(numbers: list[int], n_folds: int) -> None:
    there = sorted(set(numbers))
    if there != list(range(1, n_folds + 1)):
        raise UserError(
            f"The data has the folds {_join(there)}, folds.n_folds asks for 1 to {n_folds}; "
            f"set folds.n_folds to {len(there)}, or mend the data's fold column."
        )


def _check_groups(table: list[_Clip], numbers: list[int], sides: Sides) -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for name, folds in sides.named():
        for clip, fold in zip(table, numbers, strict=True):
            if fold in folds:
                seen[clip.group].add(name)
    torn = sorted(group for group, names in seen.items() if len(names) > 1)
    if torn:
        raise UserError(
            f"{len(torn)} recordings stand on two sides when fold {sides.test[0]} is held out: {_join(torn)}. "
            "Give all clips of a recording one fold, or leave out the fold column to have folds drawn."
        )


def _check_classes(table: list[_Clip], numbers: list[int], sides: Sides) -> None:
    every = {clip.label for clip in table}
    for name, folds in sides.named():
        there = {clip.label for clip, fold in zip(table, numbers, strict=True) if fold in folds}
        if there != every:
            raise UserError(
                f"Class {_join(sorted(every - there))} is missing from {name} (fold {_join(folds)}) when fold "
                f"{sides.test[0]} is held out; every side needs every class. Mend the folds or drop the class."
            )


def _write_folds(out: Path, table: list[_Clip], numbers: list[int], folds: Folds) -> None:
    rows = (
        {"clip": clip, "label": each.label, "group": each.group, "fold": fold}
        for clip, (each, fold) in enumerate(zip(table, numbers, strict=True))
    )
    write_rows(out / "folds.csv", ["clip", "label", "group", "fold"], rows)
    rounds = [{"train": each.train, "valid": each.valid, "test": each.test} for each in folds.rounds]
    text = json.dumps({"mode": folds.mode, "rounds": rounds}, indent=2, sort_keys=True)
    (out / "folds.json").write_text(text + "\n")


def _join(values: Iterable[object]) -> str:
    names = [str(value) for value in values]
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
