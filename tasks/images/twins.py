"""Pictures that look the same, by the bits in which their perceptual hashes differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RANKS = {"test": 0, "valid": 1}  # of two parts that hold one picture, the first keeps it; then the others

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Sight:
    """A picture as far as it can be some other one again: where it is, its pixels' digest, its perceptual hash."""

    file: str
    split: str
    category: str
    digest: str
    look: int


def find_twins(sights: Sequence[Sight], bits: int, group_bits: int) -> dict[int, str]:
    """Return the rows to set aside, each with the reason, so that no two that stay differ in `bits` or less.

    Of a picture under two labels every copy goes, as nobody can say which label is right; of one in two parts
    (test, valid, train) that in the later one, where `group_bits` or less count as one; within a part the first
    stays. One row is compared with all others at once.
    """
    splits = np.array([sight.split for sight in sights])
    looks = gather_looks(sights)
    reasons = _find_conflicts(sights, looks, bits)
    stays = np.zeros(len(sights), np.bool_)
    for row in sorted(range(len(sights)), key=lambda row: (RANKS.get(sights[row].split, 2), row)):
        if row in reasons:
            continue
        near = find_near(looks, row, group_bits)
        same = splits[near] == splits[row]
        earlier = near[stays[near] & (~same | np.isin(near, find_near(looks, row, bits)))]
        if len(earlier):
            reasons[row] = _tell_twin(sights[row], [sights[other] for other in earlier])
        else:
            stays[row] = True
    return reasons


def group_near(looks: NDArray[np.uint64], bits: int) -> Rows:
    """Return for each picture the first row of its group: what is linked by steps of `bits` or less."""
    groups = np.full(len(looks), -1, np.int64)
    for first in range(len(looks)):
        if groups[first] >= 0:
            continue
        groups[first], waiting = first, [first]
        while waiting:
            near = find_near(looks, waiting.pop(), bits)
            new = near[groups[near] < 0]
            groups[new] = first
            waiting.extend(new.tolist())
    return groups


def gather_looks(sights: Sequence[Sight]) -> NDArray[np.uint64]:
    """Return the perceptual hashes, (pictures,)."""
    return np.array([sight.look for sight in sights], np.uint64)


def find_near(looks: NDArray[np.uint64], row: int, bits: int) -> Rows:
    """Return the rows, that one among them, whose hashes differ from it in `bits` or less."""
    return np.flatnonzero(np.bitwise_count(looks ^ looks[row]) <= bits)


def _find_conflicts(sights: Sequence[Sight], looks: NDArray[np.uint64], bits: int) -> dict[int, str]:
    names = sorted({sight.category for sight in sights})
    labels = np.array([names.index(sight.category) for sight in sights])
    reasons = {}
    for row in range(len(sights)):
        near = find_near(looks, row, bits)
        others = near[labels[near] != labels[row]]
        if len(others):
            other = sights[others[0]]
            reasons[row] = f"under two labels: the same picture as {other.file} ({other.category})"
    return reasons


def _tell_twin(sight: Sight, earlier: list[Sight]) -> str:
    """Return why a picture goes, beside those that look like it and stay."""
    equal = [other for other in earlier if other.digest == sight.digest]
    other = (equal or earlier)[0]
    if other.split != sight.split:
        return f"in two splits: {'' if equal else 'nearly '}the same picture as {other.file} ({other.split})"
    if equal:
        return f"exact duplicate: the same pixels as {other.file}"
    differ = (sight.look ^ other.look).bit_count()
    return f"near duplicate: {differ} of 64 bits from {other.file}"
