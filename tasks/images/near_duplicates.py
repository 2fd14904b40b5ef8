"""Duplicates and near duplicates among pictures, found by the number of bits in which perceptual hashes differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLIT_RANKS = {"test": 0, "valid": 1}  # of two splits that hold the same picture, the lower rank keeps it; others: 2

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class HashedPicture:
    """The properties that identify duplicates: file, split and class, the digest of the pixels, the perceptual hash."""

    file: str
    split: str
    category: str
    digest: str
    phash: int


def find_duplicates(pictures: Sequence[HashedPicture], bits: int, group_bits: int) -> dict[int, str]:
    """Return the rows to set aside, each with the reason: any two of the rest differ in more than `bits` bits.

    - A picture with two labels: every copy is set aside, because nobody knows which label is right.
    - A picture in two splits: the copy in the later one of test, valid, train is set aside. Here pictures that differ
      in `group_bits` bits or fewer count as the same.
    - A picture twice in one split: the first copy is kept.

    With -1 bits only pictures with the same pixels are the same. One row is compared with all others at once.
    """
    splits = np.array([picture.split for picture in pictures])
    hashes, loose = gather_hashes(pictures, bits), gather_hashes(pictures, group_bits)
    reasons = _find_conflicts(pictures, hashes, bits)
    kept = np.zeros(len(pictures), np.bool_)
    for row in sorted(range(len(pictures)), key=lambda row: (SPLIT_RANKS.get(pictures[row].split, 2), row)):
        if row in reasons:
            continue
        near = find_near(loose, row, group_bits)
        same = splits[near] == splits[row]
        earlier = near[kept[near] & (~same | np.isin(near, find_near(hashes, row, bits)))]
        if len(earlier):
            reasons[row] = _explain_duplicate(pictures[row], [pictures[other] for other in earlier])
        else:
            kept[row] = True
    return reasons


def group_near(hashes: NDArray[np.uint64], bits: int) -> Rows:
    """Return for each picture the first row of its group: pictures linked by steps of `bits` bits or fewer."""
    groups = np.full(len(hashes), -1, np.int64)
    for first in range(len(hashes)):
        if groups[first] >= 0:
            continue
        groups[first], waiting = first, [first]
        while waiting:
            near = find_near(hashes, waiting.pop(), bits)
            new = near[groups[near] < 0]
            groups[new] = first
            waiting.extend(new.tolist())
    return groups


def gather_hashes(pictures: Sequence[HashedPicture], bits: int) -> NDArray[np.uint64]:
    """Return the perceptual hashes, or with -1 `bits` the beginnings of the digests, (pictures,)."""
    hashes = [int(picture.digest[:16], 16) if bits < 0 else picture.phash for picture in pictures]
    return np.array(hashes, np.uint64)


def find_near(hashes: NDArray[np.uint64], row: int, bits: int) -> Rows:
    """Return the rows, including `row` itself, whose hashes differ from its hash in `bits` bits or fewer."""
    return np.flatnonzero(np.bitwise_count(hashes ^ hashes[row]) <= max(bits, 0))


def _find_conflicts(pictures: Sequence[HashedPicture], hashes: NDArray[np.uint64], bits: int) -> dict[int, str]:
    names = sorted({picture.category for picture in pictures})
    labels = np.array([names.index(picture.category) for picture in pictures])
    reasons = {}
    for row in range(len(pictures)):
        near = find_near(hashes, row, bits)
        others = near[labels[near] != labels[row]]
        if len(others):
            other = pictures[others[0]]
            reasons[row] = f"under two labels: the same picture as {other.file} ({other.category})"
    return reasons


def _explain_duplicate(picture: HashedPicture, earlier: list[HashedPicture]) -> str:
    """Return why a picture is set aside, given the kept pictures that it duplicates."""
    equal = [other for other in earlier if other.digest == picture.digest]
    other = (equal or earlier)[0]
    if other.split != picture.split:
        return f"in two splits: {'' if equal else 'nearly '}the same picture as {other.file} ({other.split})"
    if equal:
        return f"exact duplicate: the same pixels as {other.file}"
    differ = (picture.phash ^ other.phash).bit_count()
    return f"near duplicate: {differ} of 64 bits from {other.file}"
