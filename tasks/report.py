"""The protocol by which a task reports its progress."""

from collections.abc import Mapping
from typing import Protocol


class Report(Protocol):
    """Receives the progress, figures and messages of a running task."""

    def check(self) -> None:
        """Raise if the task is to stop. Call it at each batch that reports no progress."""

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        """Show that `done` of `total` `unit`s (clips, epochs, bytes) are done, with figures such as the loss.

        Raises as `check` does, so store first what the next run needs.
        """

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Record the figures of a step, usually an epoch; one call per step."""

    def say(self, text: str) -> None:
        """Show a line of text to the user."""


class Silent:
    """A report that ignores everything."""

    def check(self) -> None:
        pass

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        pass

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        pass

    def say(self, text: str) -> None:
        pass
