"""Random whole numbers, the same on every machine and with every version of the libraries."""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


class Dice:
    """Draws whole numbers from PCG64's raw bits: numpy guarantees that they stay the same, unlike its distributions."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(list(seed))

    def draw(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, both included."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def draw_noise(self, n_samples: int) -> IntArray:
        """Return `n_samples` of white noise within -32768..32767, near 0 more often than at the ends."""
        raw = np.asarray(self._bits.random_raw(n_samples), np.uint64)
        quarters = [(raw >> np.uint64(shift) & np.uint64(0x3FFF)).astype(np.int64) for shift in (0, 14, 28, 42)]
        return sum(quarters[1:], quarters[0]) - 32768
