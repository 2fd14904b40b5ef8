"""The folds of a data set, and the rounds, each with a training, a validation and a test part."""

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
from tasks.errors import UserError
from tasks.fold_assignment import assign_by_date, draw_folds
from tasks.fold_table import FoldTable, read_dates, read_numbers, read_table
from tasks.section import Section

MAX_NAMED = 5  # values listed in a message
LEAST_FOLDS = 3  # one each for training, validation and test

IntArray = NDArray[np.int64]


class Folds(Section):
    """How the examples are split into folds."""

    mode: Literal["holdout", "cross_validation", "own", "date"] = Field(
        description="holdout: one round; cross_validation: n rounds; own: tests on the source's test split; "
        "date: trains on the past"
    )
    n_folds: int = Field(ge=2, le=100, description="number of folds; if the data has its own folds, their number")
    valid: int = Field(ge=0, description="the validation fold, for early stopping and ensemble weights; 0: none")
    test: int = Field(ge=1, description="the test fold")
    seed: int = Field(ge=0, le=2**32 - 1, description="draws the folds, if the data has none")

    @property
    def held_out(self) -> list[int]:
        """The test fold of each round."""
        return list(range(1, self.n_folds + 1)) if self.mode == "cross_validation" else [self.test]

    @property
    def rounds(self) -> list[RoundFolds]:
        """The rounds, one per test fold; in cross-validation there is no validation fold, so `valid` is empty."""
        valid = [] if self.mode == "cross_validation" or not self.valid else [self.valid]
        numbers = range(1, self.n_folds + 1)
        return [
            RoundFolds(tuple(fold for fold in numbers if fold not in (*valid, test)), tuple(valid), (test,))
            for test in self.held_out
        ]

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.mode == "date" and (self.test != self.n_folds or self.valid not in (0, self.n_folds - 1)):
            raise ValueError(
                f"mode date trains on the past: set test {self.test} to the newest fold, {self.n_folds}, and valid "
                f"{self.valid} to the fold before it, {self.n_folds - 1}, or to 0"
            )
        return self

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        if self.mode != "cross_validation":
            if self.n_folds < 2 + (self.valid > 0):
                raise ValueError(
                    f"n_folds is {self.n_folds}, but {self.mode} needs 3 or more (train, valid, test): raise it, or "
                    "set valid to 0"
                )
            if self.valid == self.test or max(self.valid, self.test) > self.n_folds:
                raise ValueError(
                    f"valid {self.valid} and test {self.test} must be two different folds of 1..{self.n_folds}"
                )
        return self


class UndatedFolds(Folds):
    """The folds of examples that have no dates."""

    mode: Literal["holdout", "cross_validation", "own"] = Field(
        description="holdout: one round; cross_validation: n rounds; own: tests on the source's test split"
    )


@dataclass(frozen=True)
class RoundFolds:
    """The fold numbers of one round."""

    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]

    def named(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return the parts that have folds, each with its name."""
        parts = [("train", self.train), ("valid", self.valid), ("test", self.test)]
        return [(name, folds) for name, folds in parts if folds]


@dataclass(frozen=True)
class Round:
    """The rows of one round, int64 indices into the features; `valid` is empty without a validation fold."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]


def split_folds(examples: Path, folds: Folds, *, out: Path) -> None:
    """Write `folds.csv` (example, label, group, fold) and `folds.json` (the mode and its rounds).

    If the clean table has folds, they are used. Otherwise folds are drawn that keep the proportions of the classes
    and every group (a recording, near-equal pictures or texts) whole. In mode `own` the source's test split, or if it
    has none its valid split, becomes the fold `test`; in mode `date` the folds follow each other in time. Raises
    UserError when the folds are not 1..n_folds, a group is in two parts of a round, or a class is missing from a part.
    """
    table = read_table(examples / "examples.csv")
    n_own = int(np.count_nonzero(table.folds))
    if n_own not in (0, len(table)):
        raise UserError(
            f"{len(table) - n_own} examples have no fold, or fold 0, and {n_own} have one: number the folds from 1 and "
            "give every example one, or leave the fold column empty."
        )
    numbers = table.folds if n_own else _make_folds(table, folds)
    _check_numbers(numbers, folds.n_folds)
    if folds.mode == "own" and not n_own:
        _check_learnable(table, numbers != folds.test)
    for parts in folds.rounds:
        places = _find_parts(numbers, parts)
        _check_groups(table, places, parts)
        _check_classes(table, places, parts)
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
    """Return the rows of the round whose test fold is `held_out`, from the output of `split_folds`."""
    rounds = json.loads((folds / "folds.json").read_text())["rounds"]
    parts = next((each for each in rounds if each["test"] == [held_out]), None)
    if parts is None:
        known = ", ".join(str(each["test"][0]) for each in rounds)
        raise UserError(f"There is no round with the test fold {held_out}; the rounds have the test folds {known}.")
    numbers = read_numbers(folds / "folds.csv", "fold")
    train, valid, test = (np.flatnonzero(np.isin(numbers, parts[name])) for name in ("train", "valid", "test"))
    return Round(train, valid, test)


def _make_folds(table: FoldTable, folds: Folds) -> IntArray:
    if folds.mode == "date":
        return assign_by_date(read_dates(table), table.groups, n_folds=folds.n_folds)
    return _follow_split(table, folds) if folds.mode == "own" else _draw_folds(table, folds, folds.n_folds)


def _follow_split(table: FoldTable, folds: Folds) -> IntArray:
    """Make the source's test split the fold `test`, and its valid split, if it has both, the fold `valid`."""
    splits = table.list_splits()
    held_out = next((split for split in ("test", "valid") if split in splits), "")
    if "train" not in splits or not held_out:
        raise UserError(
            f"folds.mode own needs a source with the splits train and test, or train and valid; it has "
            f"{_join(sorted(filter(None, splits))) or 'none'}. Set folds.mode to holdout or cross_validation."
        )
    has_valid = bool(folds.valid) and held_out == "test" and "valid" in splits
    fixed = {held_out: folds.test} | ({"valid": folds.valid} if has_valid else {})
    numbers = np.zeros(len(table), np.int64)
    for split, fold in fixed.items():
        numbers[table.find_split(split)] = fold
    free = np.array([fold for fold in range(1, folds.n_folds + 1) if fold not in fixed.values()])
    rest = np.flatnonzero(numbers == 0)
    numbers[rest] = free[_draw_folds(table.take(rest), folds, len(free)) - 1]
    return numbers


def _draw_folds(table: FoldTable, folds: Folds, n_folds: int) -> IntArray:
    if n_folds > 1:
        _check_enough_groups(table, n_folds)
    return draw_folds(table.labels, table.groups, names=table.names, n_folds=n_folds, seed=folds.seed)


def _check_enough_groups(table: FoldTable, n_folds: int) -> None:
    for label in np.unique(table.labels).tolist():
        is_present = np.zeros(len(table.names), np.bool_)
        is_present[table.groups[table.labels == label]] = True
        n_groups = int(is_present.sum())
        if n_groups < n_folds:
            raise UserError(
                f"The class with label {label} (classes.csv names it) comes from {n_groups} groups (recordings, "
                f"near-equal pictures or texts), too few for {n_folds} folds; "
                + (f"set folds.n_folds to {n_groups} or less, or " if n_groups >= LEAST_FOLDS else "")
                + "add recordings, pictures or texts of this class. If its examples do not belong together, ungroup "
                "them: empty the column src_file (sounds) or user (texts), or set clean.near_duplicate_bits "
                "and clean.group_bits to -1 (pictures)."
            )


def _check_numbers(numbers: IntArray, n_folds: int) -> None:
    present = np.unique(numbers).tolist()
    if present != list(range(1, n_folds + 1)):
        raise UserError(
            f"The data has the folds {_join(present)}, but folds.n_folds is {n_folds}, so they must be 1 to {n_folds}: "
            + (f"set folds.n_folds to {len(present)}, or " if present == list(range(1, len(present) + 1)) else "")
            + "number the data's folds from 1 without gaps."
        )


def _find_parts(numbers: IntArray, parts: RoundFolds) -> IntArray:
    """Return for each example the index of its part in `parts.named()`."""
    place_of = np.zeros(numbers.max() + 1, np.int64)
    for place, (_, folds) in enumerate(parts.named()):
        place_of[list(folds)] = place
    return place_of[numbers]


def _check_groups(table: FoldTable, places: IntArray, parts: RoundFolds) -> None:
    place_of_group = np.zeros(len(table.names), np.int64)
    place_of_group[table.groups] = places
    divided = sorted(table.name_groups(np.unique(table.groups[place_of_group[table.groups] != places])))
    if divided:
        raise UserError(
            f"{len(divided)} groups (recordings, near-equal pictures) are in two parts when fold {parts.test[0]} "
            f"is the test fold: {_join(divided)}. "
            "Give all examples of a group one fold, or remove the fold column, then folds are drawn."
        )


def _check_classes(table: FoldTable, places: IntArray, parts: RoundFolds) -> None:
    every = set(np.unique(table.labels).tolist())
    for place, (name, folds) in enumerate(parts.named()):
        present = set(np.unique(table.labels[places == place]).tolist())
        if present != every:
            raise UserError(
                f"The class with label {_join(sorted(every - present))} (classes.csv names it) is missing from the "
                f"{name} part (fold {_join(folds)}) when fold {parts.test[0]} is the test fold, and every part needs "
                "every class: "
                "correct the folds, remove them from the source (then folds are drawn), or drop the class."
            )


def _check_learnable(table: FoldTable, learns: NDArray[np.bool_]) -> None:
    """Raise UserError when a class is only in the split that the source keeps for testing."""
    if unknown := sorted(set(np.unique(table.labels).tolist()) - set(np.unique(table.labels[learns]).tolist())):
        raise UserError(
            f"The class with label {_join(unknown)} (classes.csv names it) is only in the split that folds.mode own "
            "keeps for testing, so a network could never learn it. Set folds.mode to holdout or cross_validation, "
            "which draw every part from all examples, or leave the class out (neutral tweets: clean.neutral leave_out)."
        )


def _join(values: Iterable[object]) -> str:
    names = [str(value) for value in values]
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
