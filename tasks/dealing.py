"""Dealing examples into folds, groups whole and classes in proportion, or in the order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Whole = NDArray[np.int64]

MANY_GROUPS = 20_000  # scikit-learn's search looks at every group with every fold: above this it takes minutes


def draw_folds(labels: Whole, groups: Whole, *, names: pa.StringArray, n_folds: int, seed: int) -> Whole:
    """Return a fold, 1 to n_folds, for each example (n): groups whole, classes in proportion.

    `groups` are indices into `names`. Up to MANY_GROUPS groups scikit-learn's StratifiedGroupKFold draws, which
    weighs every group; with more, `deal_groups`.
    """
    if n_folds == 1:
        return np.ones(len(labels), np.int64)
    if len(names) > MANY_GROUPS:
        return deal_groups(labels, groups, n_folds=n_folds, seed=seed)
    from sklearn.model_selection import StratifiedGroupKFold

    folds = np.zeros(len(labels), np.int64)
    # The search takes the groups in the order of their names.
    named = np.array(names.to_pylist(), np.str_)[groups]
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(labels, labels, named), start=1):
        folds[held_out] = fold
    return folds


def deal_groups(labels: Whole, groups: Whole, *, n_folds: int, seed: int) -> Whole:
    """Return a fold for each example, (n), in the time that sorting takes: for millions of mostly lone examples.

    Groups of several are dealt out to and fro, large ones first; then the lone examples of each class, shuffled,
    fill up the folds that have fewest of it.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(groups)
    is_lone = sizes[groups] == 1
    folds_of = np.zeros(len(sizes), np.int64)
    luck = np.random.PCG64(seed).random_raw(len(sizes))
    several = np.flatnonzero(sizes > 1)
    order = several[np.lexsort((luck[several], -sizes[several]))]
    folds_of[order] = _go_to_and_fro(len(order), n_folds)
    for code in range(codes.max() + 1):
        alone = groups[is_lone & (codes == code)]
        there = np.bincount(folds_of[groups[~is_lone & (codes == code)]], minlength=n_folds + 1)[1:]
        turns = np.repeat(np.arange(1, n_folds + 1), fill_up(there, len(alone)))
        folds_of[alone[np.argsort(luck[alone], kind="stable")]] = turns
    return folds_of[groups]


def deal_by_date(dates: Whole, groups: Whole, *, n_folds: int) -> Whole:
    """Return a fold for each example, (n), as large as each other: 1 the oldest, n_folds the newest.

    A group goes by its newest example, so that nothing that trains is newer than the newest of what judges.
    """
    latest = np.full(groups.max() + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, groups, dates)
    order = np.argsort(latest, kind="stable")
    sizes = np.bincount(groups, minlength=len(latest))[order]
    before = np.cumsum(sizes) - sizes
    folds_of = np.empty(len(latest), np.int64)
    folds_of[order] = 1 + before * n_folds // len(groups)
    return folds_of[groups]


def fill_up(there: Whole, count: int) -> Whole:
    """Return how many of `count` things go to each place, so that with what is `there` they are as even as can be."""
    order = np.argsort(there, kind="stable")
    held = there[order]
    # Lifting the lowest k places to the height of the k-th takes so many.
    needed = held * np.arange(1, len(held) + 1) - np.cumsum(held)
    k = int(np.searchsorted(needed, count, side="right"))
    height, rest = divmod(int(held[:k].sum()) + count, k)
    given = np.zeros_like(there)
    given[order[:k]] = height - held[:k]
    given[order[:rest]] += 1
    return given


def _go_to_and_fro(count: int, n_folds: int) -> Whole:
    """Return 1, 2 ... n_folds, n_folds ... 2, 1, 1, 2 ..., (count)."""
    turn, place = np.divmod(np.arange(count), n_folds)
    return np.where(turn % 2, n_folds - place, 1 + place)
