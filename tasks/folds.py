"""Who trains, who chooses, who judges: the folds of a data set and the rounds made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.columns import write_columns
from tasks.dealing import deal_by_date, draw_folds
from tasks.errors import UserError
from tasks.fold_table import FoldTable, read_dates, read_numbers, read_table
from tasks.section import Section

MAX_NAMED = 5  # offenders named in a message

Whole = NDArray[np.int64]


class Folds(Section):
    """How the examples are divided."""

    mode: Literal["holdout", "cross_validation", "own", "date"] = Field(
        description="one round for working, n for measuring, one that the source's own test part judges, or one that "
        "trains on the past"
    )
    n_folds: int = Field(ge=2, le=100, description="number of folds; the data's own when it has them")
    valid: int = Field(ge=0, description="the fold that chooses (early stopping, ensemble weights); 0: nothing does")
    test: int = Field(ge=1, description="the fold that judges")
    seed: int = Field(ge=0, le=2**32 - 1, description="draws the folds of data that has none")

    @property
    def held_out(self) -> list[int]:
        """The fold that each round holds out, one number a round."""
        return list(range(1, self.n_folds + 1)) if self.mode == "cross_validation" else [self.test]

    @property
    def rounds(self) -> list[Sides]:
        """The rounds, one for each held-out fold; in cross-validation nothing is chosen, so `valid` is empty."""
        valid = [] if self.mode == "cross_validation" or not self.valid else [self.valid]
        every = range(1, self.n_folds + 1)
        return [
            Sides(tuple(fold for fold in every if fold not in (*valid, test)), tuple(valid), (test,))
            for test in self.held_out
        ]

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.mode == "date" and (self.test != self.n_folds or self.valid not in (0, self.n_folds - 1)):
            raise ValueError(
                f"date trains on the past: test {self.test} must be the newest fold, n_folds {self.n_folds}, and valid "
                f"{self.valid} the one before it, {self.n_folds - 1}, or 0"
            )
        return self

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        if self.mode != "cross_validation":
            if self.n_folds < 2 + (self.valid > 0):
                raise ValueError(f"{self.mode} needs n_folds of 3 or more (train, valid, test), not {self.n_folds}")
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


def split_folds(examples: Path, folds: Folds, *, out: Path) -> None:
    """Write `folds.csv` (example, label, group, fold) and `folds.json` (the mode and its rounds).

    The data's own folds are taken when the clean table has them; else folds are drawn that keep the classes in
    proportion and every group (a recording, near-equal pictures or texts) whole. In mode `own` the source's test
    part, or where it has none its valid part, is the fold `test`; in mode `date` the folds follow each other in
    time. Raises UserError when the folds are not 1..n_folds, a group stands on two sides of a round, or a class is
    missing from a side.
    """
    table = read_table(examples / "examples.csv")
    n_own = int(np.count_nonzero(table.folds))
    if n_own not in (0, len(table)):
        raise UserError(f"{len(table) - n_own} examples have no fold and {n_own} have one: give all or none.")
    numbers = table.folds if n_own else _make_folds(table, folds)
    _check_numbers(numbers, folds.n_folds)
    for sides in folds.rounds:
        places = _find_sides(numbers, sides)
        _check_groups(table, places, sides)
        _check_classes(table, places, sides)
    columns = {
        "example": np.arange(len(table)),
        "label": table.labels,
        "group": table.names.take(table.groups),
        "fold": numbers,
    }
    write_columns(out / "folds.csv", columns)
    rounds = [{"train": each.train, "valid": each.valid, "test": each.test} for each in folds.rounds]
    text = json.dumps({"mode": folds.mode, "rounds": rounds}, indent=2, sort_keys=True)
    (out / "folds.json").write_text(text + "\n")


def read_round(folds: Path, held_out: int) -> Round:
    """Return the rows of the round that holds out fold `held_out`, from a stage that `split_folds` made."""
    rounds = json.loads((folds / "folds.json").read_text())["rounds"]
    sides = next((each for each in rounds if each["test"] == [held_out]), None)
    if sides is None:
        known = ", ".join(str(each["test"][0]) for each in rounds)
        raise UserError(f"No round holds out fold {held_out}; the rounds hold out {known}.")
    numbers = read_numbers(folds / "folds.csv", "fold")
    train, valid, test = (np.flatnonzero(np.isin(numbers, sides[name])) for name in ("train", "valid", "test"))
    return Round(train, valid, test)


def _make_folds(table: FoldTable, folds: Folds) -> Whole:
    if folds.mode == "date":
        return deal_by_date(read_dates(table), table.groups, n_folds=folds.n_folds)
    return _follow_split(table, folds) if folds.mode == "own" else _draw_folds(table, folds, folds.n_folds)


def _follow_split(table: FoldTable, folds: Folds) -> Whole:
    """Give the source's last part the fold `test` and its valid part, if it has one more, the fold `valid`."""
    parts = table.list_parts()
    judge = next((part for part in ("test", "valid") if part in parts), "")
    if "train" not in parts or not judge:
        raise UserError(
            f"folds.mode own needs a source with parts of its own, train and test or valid; it has "
            f"{_join(sorted(filter(None, parts))) or 'none'}. Set folds.mode to holdout or cross_validation."
        )
    chooses = bool(folds.valid) and judge == "test" and "valid" in parts
    fixed = {judge: folds.test} | ({"valid": folds.valid} if chooses else {})
    numbers = np.zeros(len(table), np.int64)
    for part, fold in fixed.items():
        numbers[table.find_part(part)] = fold
    free = np.array([fold for fold in range(1, folds.n_folds + 1) if fold not in fixed.values()])
    rest = np.flatnonzero(numbers == 0)
    numbers[rest] = free[_draw_folds(table.take(rest), folds, len(free)) - 1]
    return numbers


def _draw_folds(table: FoldTable, folds: Folds, n_folds: int) -> Whole:
    if n_folds > 1:
        _check_enough_groups(table, n_folds)
    return draw_folds(table.labels, table.groups, names=table.names, n_folds=n_folds, seed=folds.seed)


def _check_enough_groups(table: FoldTable, n_folds: int) -> None:
    for label in np.unique(table.labels).tolist():
        is_there = np.zeros(len(table.names), np.bool_)
        is_there[table.groups[table.labels == label]] = True
        n_groups = int(is_there.sum())
        if n_groups < n_folds:
            raise UserError(
                f"Class {label} comes from {n_groups} groups (recordings, near-equal pictures), too few for "
                f"{n_folds} folds; set folds.n_folds to {n_groups} or less, or add more."
            )


def _check_numbers(numbers: Whole, n_folds: int) -> None:
    there = np.unique(numbers).tolist()
    if there != list(range(1, n_folds + 1)):
        raise UserError(
            f"The data has the folds {_join(there)}, folds.n_folds asks for 1 to {n_folds}; "
            f"set folds.n_folds to {len(there)}, or mend the data's fold column."
        )


def _find_sides(numbers: Whole, sides: Sides) -> Whole:
    """Return for each example the place of its side in `sides.named()`."""
    place_of = np.zeros(numbers.max() + 1, np.int64)
    for place, (_, folds) in enumerate(sides.named()):
        place_of[list(folds)] = place
    return place_of[numbers]


def _check_groups(table: FoldTable, places: Whole, sides: Sides) -> None:
    one_of = np.zeros(len(table.names), np.int64)
    one_of[table.groups] = places
    torn = sorted(table.name_groups(np.unique(table.groups[one_of[table.groups] != places])))
    if torn:
        raise UserError(
            f"{len(torn)} groups (recordings, near-equal pictures) stand on two sides when fold {sides.test[0]} "
            f"is held out: {_join(torn)}. "
            "Give all examples of a group one fold, or leave out the fold column to have folds drawn."
        )


def _check_classes(table: FoldTable, places: Whole, sides: Sides) -> None:
    every = set(np.unique(table.labels).tolist())
    for place, (name, folds) in enumerate(sides.named()):
        there = set(np.unique(table.labels[places == place]).tolist())
        if there != every:
            raise UserError(
                f"Class {_join(sorted(every - there))} is missing from {name} (fold {_join(folds)}) when fold "
                f"{sides.test[0]} is held out; every side needs every class. Mend the folds or drop the class."
            )


def _join(values: Iterable[object]) -> str:
    names = [str(value) for value in values]
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
