"""Pictures that look the same are found, all of them, in any number, and one of each stays."""

import time

import numpy as np
import pytest

from tasks.images.twins import Sight, find_twins, group_near

FAR = 0x0F0F_0F0F_0F0F_0F0F


def see(*places: tuple[str, str, int]) -> list[Sight]:
    """Return pictures of (split, category, hash), named by their row; equal hashes below 2^63 are equal pixels."""
    return [
        Sight(f"{row}.png", split, category, f"{look:x}", look) for row, (split, category, look) in enumerate(places)
    ]


@pytest.mark.parametrize(
    ("sights", "reasons"),
    [
        ([], {}),
        (see(("", "a", 0)), {}),
        (see(("", "a", 0), ("", "b", FAR)), {}),
        (see(("", "a", 0), ("", "a", 0)), {1: "exact duplicate: the same pixels as 0.png"}),
        (see(("", "a", 0), ("", "a", 0b11)), {1: "near duplicate: 2 of 64 bits from 0.png"}),
        (see(("", "a", 0), ("", "a", 0b111)), {}),
        (see(("", "a", 0), ("", "a", 0b11), ("", "a", 0b11)), {
            1: "near duplicate: 2 of 64 bits from 0.png", 2: "near duplicate: 2 of 64 bits from 0.png",
        }),
        # A chain: the third looks like the second, which is gone, and not like the first.
        (see(("", "a", 0), ("", "a", 0b11), ("", "a", 0b1111)), {1: "near duplicate: 2 of 64 bits from 0.png"}),
        (see(("train", "a", 0), ("valid", "a", 0), ("test", "a", 0)), {
            0: "in two splits: the same picture as 2.png (test)", 1: "in two splits: the same picture as 2.png (test)",
        }),
        (see(("train", "a", 0), ("valid", "a", 1)), {0: "in two splits: nearly the same picture as 1.png (valid)"}),
        # Near enough to stay together within a split, and so not to stand in two.
        (see(("", "a", 0), ("", "a", 0b1111)), {}),
        (see(("train", "a", 0), ("test", "a", 0b1111)), {0: "in two splits: nearly the same picture as 1.png (test)"}),
        (see(("train", "a", 0), ("test", "a", 1), ("test", "a", 1)), {
            0: "in two splits: nearly the same picture as 1.png (test)", 2: "exact duplicate: the same pixels as 1.png",
        }),
        (see(("", "a", 0), ("", "b", 0), ("", "a", FAR)), {
            0: "under two labels: the same picture as 1.png (b)", 1: "under two labels: the same picture as 0.png (a)",
        }),
        (see(("train", "a", 0), ("test", "b", 1), ("train", "a", 0)), {
            0: "under two labels: the same picture as 1.png (b)",
            1: "under two labels: the same picture as 0.png (a)",
            2: "under two labels: the same picture as 1.png (b)",
        }),
    ],
)  # fmt: skip
def test_one_of_each_picture_stays(sights: list[Sight], reasons: dict[int, str]) -> None:
    assert find_twins(sights, bits=2, group_bits=4) == reasons


@pytest.mark.parametrize("bits", [0, 1, 5, 64])
def test_no_two_that_stay_are_near(bits: int) -> None:
    looks = np.random.default_rng(1).integers(0, 256, 300)
    sights = see(*[("", "a", int(look)) for look in looks])
    gone = find_twins(sights, bits, bits)
    stay = [sight.look for row, sight in enumerate(sights) if row not in gone]
    assert stay
    assert all((a ^ b).bit_count() > bits for n, a in enumerate(stay) for b in stay[:n])


def test_groups_are_linked_by_small_steps() -> None:
    looks = np.array([0, FAR, 0b1, 0b111, FAR ^ 1, 1 << 63, 0b11111], np.uint64)
    assert group_near(looks, bits=2).tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert group_near(looks, bits=0).tolist() == list(range(7))
    assert group_near(looks[:0], bits=0).tolist() == []


@pytest.mark.parametrize("alike", [1, 64], ids=["all different", "all near"])
def test_thousands_are_compared_in_seconds(alike: int) -> None:
    looks = np.random.default_rng(1).integers(0, 2**64, 13_400, np.uint64)
    if alike == 64:
        looks &= np.uint64(0xFF)
    sights = see(*[("", "a", look) for look in looks.tolist()])
    start = time.process_time()
    find_twins(sights, bits=4, group_bits=8)
    group_near(looks, bits=8)
    assert time.process_time() - start < 10
