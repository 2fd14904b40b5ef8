"""How fast an epoch goes, and for how much of it the training waits for its next batch."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Batch = TypeVar("Batch")


class Throughput:
    """The clock of one epoch of `examples`: it costs two looks at the time a batch."""

    def __init__(self, examples: int) -> None:
        """Begin the epoch."""
        self._examples = examples
        self._began_s = time.perf_counter()
        self._waited_s = self._took_s = 0.0

    def time_input(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches, and count the time that it takes to get each one ready.

        On a GPU this is the most that it can have waited: it may still be at work on what it was given before.
        """
        waiting = iter(batches)
        while True:
            asked_s = time.perf_counter()
            try:
                batch = next(waiting)
            except StopIteration:
                return
            finally:
                self._waited_s += time.perf_counter() - asked_s
            yield batch

    def end(self) -> None:
        """End the epoch."""
        self._took_s = time.perf_counter() - self._began_s

    @property
    def examples_per_s(self) -> float:
        """Return the examples of one second of the epoch."""
        return self._examples / self._took_s

    def measure(self) -> dict[str, float]:
        """Return `examples_per_s`, and `input_share`: the share of the epoch's time spent on getting batches ready."""
        return {"examples_per_s": self.examples_per_s, "input_share": self._waited_s / self._took_s}
