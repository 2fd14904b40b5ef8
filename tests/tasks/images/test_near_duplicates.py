"""All duplicates among any number of pictures are found, and one copy of each is kept."""

import time

import numpy as np
import pytest

from tasks.images.near_duplicates import HashedPicture, find_duplicates, group_near

FAR = 0x0F0F_0F0F_0F0F_0F0F


def hashed(*rows: tuple[str, str, int]) -> list[HashedPicture]:
    """Return pictures of (split, category, hash), named by their row; equal hashes below 2^63 are equal pixels."""
    return [
        HashedPicture(f"{row}.png", split, category, f"{phash:x}", phash)
        for row, (split, category, phash) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("pictures", "reasons"),
    [
        ([], {}),
        (hashed(("", "a", 0)), {}),
        (hashed(("", "a", 0), ("", "b", FAR)), {}),
        (hashed(("", "a", 0), ("", "a", 0)), {1: "exact duplicate: the same pixels as 0.png"}),
        (hashed(("", "a", 0), ("", "a", 0b11)), {1: "near duplicate: 2 of 64 bits from 0.png"}),
        (hashed(("", "a", 0), ("", "a", 0b111)), {}),
        (hashed(("", "a", 0), ("", "a", 0b11), ("", "a", 0b11)), {
            1: "near duplicate: 2 of 64 bits from 0.png", 2: "near duplicate: 2 of 64 bits from 0.png",
        }),
        # A chain: the third is near the second, which is set aside, but not near the first.
        (hashed(("", "a", 0), ("", "a", 0b11), ("", "a", 0b1111)), {
            1: "near duplicate: 2 of 64 bits from 0.png",
        }),
        (hashed(("train", "a", 0), ("valid", "a", 0), ("test", "a", 0)), {
            0: "in two splits: the same picture as 2.png (test)", 1: "in two splits: the same picture as 2.png (test)",
        }),
        (hashed(("train", "a", 0), ("valid", "a", 1)), {0: "in two splits: nearly the same picture as 1.png (valid)"}),
        # Near enough to be one group within a split, so too near to be in two splits.
        (hashed(("", "a", 0), ("", "a", 0b1111)), {}),
        (hashed(("train", "a", 0), ("test", "a", 0b1111)), {
            0: "in two splits: nearly the same picture as 1.png (test)",
        }),
        (hashed(("train", "a", 0), ("test", "a", 1), ("test", "a", 1)), {
            0: "in two splits: nearly the same picture as 1.png (test)", 2: "exact duplicate: the same pixels as 1.png",
        }),
        (hashed(("", "a", 0), ("", "b", 0), ("", "a", FAR)), {
            0: "under two labels: the same picture as 1.png (b)", 1: "under two labels: the same picture as 0.png (a)",
        }),
        (hashed(("train", "a", 0), ("test", "b", 1), ("train", "a", 0)), {
            0: "under two labels: the same picture as 1.png (b)",
            1: "under two labels: the same picture as 0.png (a)",
            2: "under two labels: the same picture as 1.png (b)",
        }),
    ],
)  # fmt: skip
def test_one_copy_of_each_picture_is_kept(pictures: list[HashedPicture], reasons: dict[int, str]) -> None:
    assert find_duplicates(pictures, bits=2, group_bits=4) == reasons


@pytest.mark.parametrize("bits", [0, 1, 5, 64])
def test_no_two_kept_pictures_are_near(bits: int) -> None:
    hashes = np.random.default_rng(1).integers(0, 256, 300)
    pictures = hashed(*[("", "a", int(phash)) for phash in hashes])
    reasons = find_duplicates(pictures, bits, bits)
    kept = [picture.phash for row, picture in enumerate(pictures) if row not in reasons]
    assert kept
    assert all((a ^ b).bit_count() > bits for n, a in enumerate(kept) for b in kept[:n])


def test_groups_are_linked_by_small_steps() -> None:
    hashes = np.array([0, FAR, 0b1, 0b111, FAR ^ 1, 1 << 63, 0b11111], np.uint64)
    assert group_near(hashes, bits=2).tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert group_near(hashes, bits=0).tolist() == list(range(7))
    assert group_near(hashes[:0], bits=0).tolist() == []


@pytest.mark.parametrize("alike", [1, 64], ids=["all different", "all near"])
def test_thousands_are_compared_in_seconds(alike: int) -> None:
    hashes = np.random.default_rng(1).integers(0, 2**64, 13_400, np.uint64)
    if alike == 64:
        hashes &= np.uint64(0xFF)
    pictures = hashed(*[("", "a", phash) for phash in hashes.tolist()])
    start = time.process_time()
    find_duplicates(pictures, bits=4, group_bits=8)
    group_near(hashes, bits=8)
    assert time.process_time() - start < 10
