"""Assigns examples to folds: groups stay whole, and classes keep their proportions, or folds follow time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

IntArray = NDArray[np.int64]

MANY_GROUPS = 20_000  # scikit-learn tries every group in every fold: with more groups it takes minutes


def draw_folds(labels: IntArray, groups: IntArray, *, names: pa.StringArray, n_folds: int, seed: int) -> IntArray:
    """Return a fold, 1 to n_folds, for each example (n): groups whole, classes in proportion.

    `groups` are indices into `names`. Up to MANY_GROUPS groups are drawn by scikit-learn's StratifiedGroupKFold,
    which tries every group in every fold, more groups by `assign_groups`.
    """
    if n_folds == 1:
        return np.ones(len(labels), np.int64)
    if len(names) > MANY_GROUPS:
        return assign_groups(labels, groups, n_folds=n_folds, seed=seed)
    from sklearn.model_selection import StratifiedGroupKFold

    folds = np.zeros(len(labels), np.int64)
    # StratifiedGroupKFold processes the groups in the order of their names.
    named = np.array(names.to_pylist(), np.str_)[groups]
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(labels, labels, named), start=1):
        folds[held_out] = fold
    return folds


def assign_groups(labels: IntArray, groups: IntArray, *, n_folds: int, seed: int) -> IntArray:
    """Return a fold for each example, (n), in the time of a sort: for millions of examples, most without a group.

    Larger groups are assigned first, in the fold order 1 ... n, n ... 1; then the single examples of each class,
    shuffled, fill up the folds that have the fewest of it.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(groups)
    is_single = sizes[groups] == 1
    folds_of = np.zeros(len(sizes), np.int64)
    random = np.random.PCG64(seed).random_raw(len(sizes))
    several = np.flatnonzero(sizes > 1)
    order = several[np.lexsort((random[several], -sizes[several]))]
    folds_of[order] = _alternate_folds(len(order), n_folds)
    for code in range(codes.max() + 1):
        single = groups[is_single & (codes == code)]
        counts = np.bincount(folds_of[groups[~is_single & (codes == code)]], minlength=n_folds + 1)[1:]
        turns = np.repeat(np.arange(1, n_folds + 1), fill_up(counts, len(single)))
        folds_of[single[np.argsort(random[single], kind="stable")]] = turns
    return folds_of[groups]


def assign_by_date(dates: IntArray, groups: IntArray, *, n_folds: int) -> IntArray:
    """Return a fold for each example, (n), of equal size: 1 the oldest, n_folds the newest.

    A group is placed by its newest example, so that no training example is newer than the newest test example.
    """
    latest = np.full(groups.max() + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, groups, dates)
    order = np.argsort(latest, kind="stable")
    sizes = np.bincount(groups, minlength=len(latest))[order]
    before = np.cumsum(sizes) - sizes
    folds_of = np.empty(len(latest), np.int64)
    folds_of[order] = 1 + before * n_folds // len(groups)
    return folds_of[groups]


def fill_up(counts: IntArray, extra: int) -> IntArray:
    """Return how many of `extra` items to add to each place, so that `counts` become as even as possible."""
    order = np.argsort(counts, kind="stable")
    held = counts[order]
    # needed[k - 1]: the items that raise the lowest k places to the level of the k-th.
    needed = held * np.arange(1, len(held) + 1) - np.cumsum(held)
    k = int(np.searchsorted(needed, extra, side="right"))
    level, rest = divmod(int(held[:k].sum()) + extra, k)
    added = np.zeros_like(counts)
    added[order[:k]] = level - held[:k]
    added[order[:rest]] += 1
    return added


def _alternate_folds(count: int, n_folds: int) -> IntArray:
    """Return 1, 2 ... n_folds, n_folds ... 2, 1, 1, 2 ..., (count)."""
    turn, place = np.divmod(np.arange(count), n_folds)
    return np.where(turn % 2, n_folds - place, 1 + place)
