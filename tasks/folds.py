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
    """How the examples are divided."""

    mode: Literal["holdout", "cross_validation", "own"] = Field(
        description="one round for working, n for measuring, or one round that the source's own test part judges"
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
    def rounds(self) -> list["Sides"]:
        """The rounds, one for each held-out fold; in cross-validation nothing is chosen, so `valid` is empty."""
        valid = [] if self.mode == "cross_validation" or not self.valid else [self.valid]
        every = range(1, self.n_folds + 1)
        return [
            Sides(tuple(fold for fold in every if fold not in (*valid, test)), tuple(valid), (test,))
            for test in self.held_out
        ]

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


@dataclass(frozen=True)
class _Example:
    label: int
    group: str
    fold: int | None
    split: str


def split_folds(examples: Path, folds: Folds, *, out: Path) -> None:
    """Write `folds.csv` (example, label, group, fold) and `folds.json` (the mode and its rounds).

    The data's own folds are taken when the clean table has them; else scikit-learn draws folds that keep the
    classes in proportion and every group (a recording, near-equal pictures) whole. In mode `own` the source's
    test part, or where it has none its valid part, is the fold `test`. Raises UserError when the folds are not
    1..n_folds, a group stands on two sides of a round, or a class is missing from a side.
    """
    table = [_read_example(row) for row in read_rows(examples / "examples.csv", ["label", "group", "fold"])]
    own = [example.fold for example in table if example.fold is not None]
    numbers = own or (_follow_split(table, folds) if folds.mode == "own" else _draw_folds(table, folds))
    if len(numbers) != len(table):
        raise UserError(f"{len(table) - len(own)} examples have no fold and {len(own)} have one: give all or none.")
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


def _read_example(row: dict[str, str]) -> _Example:
    fold = int(row["fold"]) if row["fold"] else None
    return _Example(int(row["label"]), row["group"], fold, row.get("split", ""))


def _follow_split(table: list[_Example], folds: Folds) -> list[int]:
    """Give the source's last part the fold `test` and its valid part, if it has one more, the fold `valid`."""
    parts = {example.split for example in table}
    judge = next((part for part in ("test", "valid") if part in parts), "")
    if "train" not in parts or not judge:
        raise UserError(
            f"folds.mode own needs a source with parts of its own, train and test or valid; it has "
            f"{_join(sorted(filter(None, parts))) or 'none'}. Set folds.mode to holdout or cross_validation."
        )
    chooses = bool(folds.valid) and judge == "test" and "valid" in parts
    fixed = {judge: folds.test} | ({"valid": folds.valid} if chooses else {})
    numbers = [fixed.get(example.split, 0) for example in table]
    rest = [row for row, number in enumerate(numbers) if not number]
    free = [fold for fold in range(1, folds.n_folds + 1) if fold not in fixed.values()]
    drawn = _draw_folds([table[row] for row in rest], folds, len(free))
    for row, fold in zip(rest, drawn, strict=True):
        numbers[row] = free[fold - 1]
    return numbers


def _draw_folds(table: list[_Example], folds: Folds, n_folds: int | None = None) -> list[int]:
    from sklearn.model_selection import StratifiedGroupKFold

    n_folds = n_folds or folds.n_folds
    if n_folds == 1:
        return [1] * len(table)
    _check_enough_groups(table, n_folds)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=folds.seed)
    numbers = [0] * len(table)
    labels, groups = [example.label for example in table], [example.group for example in table]
    for fold, (_, held_out) in enumerate(splitter.split(labels, labels, groups), start=1):
        for row in held_out:
            numbers[row] = fold
    return numbers


def _check_enough_groups(table: list[_Example], n_folds: int) -> None:
    groups: dict[int, set[str]] = defaultdict(set)
    for example in table:
        groups[example.label].add(example.group)
    for label, names in sorted(groups.items()):
        if len(names) < n_folds:
            raise UserError(
                f"Class {label} comes from {len(names)} groups (recordings, near-equal pictures), too few for "
                f"{n_folds} folds; set folds.n_folds to {len(names)} or less, or add more."
            )


def _check_numbers(numbers: list[int], n_folds: int) -> None:
    there = sorted(set(numbers))
    if there != list(range(1, n_folds + 1)):
        raise UserError(
            f"The data has the folds {_join(there)}, folds.n_folds asks for 1 to {n_folds}; "
            f"set folds.n_folds to {len(there)}, or mend the data's fold column."
        )


def _check_groups(table: list[_Example], numbers: list[int], sides: Sides) -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for name, folds in sides.named():
        for example, fold in zip(table, numbers, strict=True):
            if fold in folds:
                seen[example.group].add(name)
    torn = sorted(group for group, names in seen.items() if len(names) > 1)
    if torn:
        raise UserError(
            f"{len(torn)} groups (recordings, near-equal pictures) stand on two sides when fold {sides.test[0]} "
            f"is held out: {_join(torn)}. "
            "Give all examples of a group one fold, or leave out the fold column to have folds drawn."
        )


def _check_classes(table: list[_Example], numbers: list[int], sides: Sides) -> None:
    every = {example.label for example in table}
    for name, folds in sides.named():
        there = {example.label for example, fold in zip(table, numbers, strict=True) if fold in folds}
        if there != every:
            raise UserError(
                f"Class {_join(sorted(every - there))} is missing from {name} (fold {_join(folds)}) when fold "
                f"{sides.test[0]} is held out; every side needs every class. Mend the folds or drop the class."
            )


def _write_folds(out: Path, table: list[_Example], numbers: list[int], folds: Folds) -> None:
    rows = (
        {"example": example, "label": each.label, "group": each.group, "fold": fold}
        for example, (each, fold) in enumerate(zip(table, numbers, strict=True))
    )
    write_rows(out / "folds.csv", ["example", "label", "group", "fold"], rows)
    rounds = [{"train": each.train, "valid": each.valid, "test": each.test} for each in folds.rounds]
    text = json.dumps({"mode": folds.mode, "rounds": rounds}, indent=2, sort_keys=True)
    (out / "folds.json").write_text(text + "\n")


def _join(values: Iterable[object]) -> str:
    names = [str(value) for value in values]
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
