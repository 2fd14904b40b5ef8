"""The speed of an epoch, and the share of it spent waiting for the next batch."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Batch = TypeVar("Batch")


class Throughput:
    """The clock of one epoch of `examples`; it reads the time twice per batch."""

    def __init__(self, examples: int) -> None:
        """Start the clock."""
        self._examples = examples
        self._began_s = time.perf_counter()
        self._waited_s = self._took_s = 0.0

    def time_input(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches, and add up the time that each takes to prepare.

        On a GPU this is an upper bound of the wait, because the GPU may still compute the batch before.
        """
        iterator = iter(batches)
        while True:
            start_s = time.perf_counter()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            finally:
                self._waited_s += time.perf_counter() - start_s
            yield batch

    def end(self) -> None:
        """Stop the clock."""
        self._took_s = time.perf_counter() - self._began_s

    @property
    def examples_per_s(self) -> float:
        """Examples per second."""
        return self._examples / self._took_s

    def measure(self) -> dict[str, float]:
        """Return `examples_per_s`, and `input_share`: the share of the epoch spent on preparing batches."""
        return {"examples_per_s": self.examples_per_s, "input_share": self._waited_s / self._took_s}
