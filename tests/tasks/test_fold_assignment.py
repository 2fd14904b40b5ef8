"""Folds of very many examples: groups whole, classes in proportion, in time that grows as their number."""

import time

import numpy as np
import pyarrow as pa
import pytest

from tasks.fold_assignment import MANY_GROUPS, assign_by_date, assign_groups, draw_folds, fill_up

N_FOLDS = 10


def make_groups(n: int, share_alone: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Labels of two classes, one twice as large, and groups of which some have several examples of both."""
    luck = np.random.default_rng(1)
    n_alone = int(n * share_alone)
    groups = np.concatenate([np.arange(n_alone), n_alone + luck.integers(0, max(1, (n - n_alone) // 4), n - n_alone)])
    groups = np.unique(groups, return_inverse=True)[1]
    return (luck.random(n) < 1 / 3).astype(np.int64), groups[luck.permutation(n)]


def test_groups_stay_whole_and_classes_in_proportion() -> None:
    labels, groups = make_groups(50_000)
    folds = assign_groups(labels, groups, n_folds=N_FOLDS, seed=1)
    assert len(np.unique(np.stack([groups, folds]), axis=1).T) == groups.max() + 1
    for label in (0, 1):
        counts = np.bincount(folds[labels == label], minlength=N_FOLDS + 1)[1:]
        assert counts.max() - counts.min() <= 1


def test_one_great_group_is_made_up_for_by_lone_examples() -> None:
    groups = np.concatenate([np.zeros(500, np.int64), np.arange(1, 9501)])
    folds = assign_groups(np.zeros(10_000, np.int64), groups, n_folds=N_FOLDS, seed=1)
    assert np.bincount(folds)[1:].tolist() == [1000] * N_FOLDS


def test_the_seed_decides() -> None:
    labels, groups = make_groups(1000)
    first, again, other = (assign_groups(labels, groups, n_folds=5, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_more_groups_than_the_search_is_for_are_dealt_in_seconds() -> None:
    labels, groups = make_groups(400_000)
    names = pa.array(np.arange(groups.max() + 1)).cast(pa.string())
    assert len(names) > MANY_GROUPS
    started_s = time.process_time()
    folds = draw_folds(labels, groups, names=names, n_folds=N_FOLDS, seed=1)
    assert time.process_time() - started_s < 5
    assert set(np.unique(folds)) == set(range(1, N_FOLDS + 1))


@pytest.mark.parametrize(
    ("there", "count", "given"),
    [
        ([0, 0, 0], 7, [3, 2, 2]),
        ([5, 0, 1], 0, [0, 0, 0]),
        ([5, 0, 1], 3, [0, 2, 1]),
        ([5, 0, 1], 12, [1, 6, 5]),
        ([2], 3, [3]),
    ],
)
def test_places_are_filled_up_from_the_lowest(there: list[int], count: int, given: list[int]) -> None:
    assert fill_up(np.array(there), count).tolist() == given


def test_later_folds_are_newer_and_groups_go_by_their_newest() -> None:
    dates = np.array([50, 10, 20, 30, 40, 60])
    folds = assign_by_date(dates, np.array([0, 0, 1, 2, 3, 4]), n_folds=3)
    assert folds.tolist() == [2, 2, 1, 1, 2, 3]
