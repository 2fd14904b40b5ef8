"""How a task tells what it is doing, without knowing who listens."""

from collections.abc import Mapping
from typing import Protocol


class Report(Protocol):
    """What a task may tell while it works."""

    def check(self) -> None:
        """Raise when the work is to end early; to be called at each batch, where nothing is told."""

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        """Show that `done` of `total` `unit`s (clips, epochs, bytes) are done, with figures such as the loss.

        Raises as `check` does: what the next run needs is kept before.
        """

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Record figures of one step, all at once (an epoch, as a rule)."""

    def say(self, text: str) -> None:
        """Say one line that a person should read."""


class Silent:
    """A report that nobody reads, so that no caller needs an `if`."""

    def check(self) -> None:
        pass

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        pass

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        pass

    def say(self, text: str) -> None:
        pass
