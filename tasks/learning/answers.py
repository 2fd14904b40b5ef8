"""The answers of an exported model about files or texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.learning.served import Served


@dataclass(frozen=True)
class Answer:
    """The most probable classes of a file, or of a text itself, with their probabilities, the most probable first."""

    file: Path | str
    classes: tuple[tuple[str, float], ...]


def ask_model(served: Served, given: Sequence[Path | str], *, top: int) -> list[Answer]:
    """Return the `top` classes of each file or text."""
    return [
        Answer(item, tuple((served.labels[place], float(shares[place])) for place in (-shares).argsort()[:top]))
        for item, shares in zip(given, served.predict_proba(given), strict=True)
    ]
