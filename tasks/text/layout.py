"""Sentiment140's files: a training table and maybe a hand-labelled test table."""

from dataclasses import dataclass
from pathlib import Path

from tasks.errors import UserError

COLUMNS = ("polarity", "id", "date", "query", "user", "text")
CATEGORIES = {"0": "negative", "2": "neutral", "4": "positive"}  # the source's codes, in the labels' order
TRAINING_PATTERN, TEST_PATTERN = "training*.csv", "testdata*.csv"


@dataclass(frozen=True)
class Layout:
    """The paths of the tables; `test` is None if the archive has no hand-labelled table."""

    training: Path
    test: Path | None

    @property
    def files(self) -> list[tuple[Path, str]]:
        """Return the tables, each with the name of its split; the hand-labelled table first."""
        return ([(self.test, "test")] if self.test else []) + [(self.training, "train")]


def find_layout(archive: Path) -> Layout:
    """Return the tables of an unpacked archive.

    Raises UserError when it holds no `training*.csv` or several, several `testdata*.csv`, or an empty training file.
    """
    training, test = sorted(archive.rglob(TRAINING_PATTERN)), sorted(archive.rglob(TEST_PATTERN))
    if len(training) != 1 or len(test) > 1:
        names = ", ".join(sorted(path.name for path in archive.rglob("*") if path.is_file())[:5]) or "nothing"
        raise UserError(
            f"The archive must hold one {TRAINING_PATTERN} and at most one {TEST_PATTERN}; it holds {len(training)} "
            f"and {len(test)} (its files: {names}). Set source.archive to data in Sentiment140's layout."
        )
    if training[0].stat().st_size == 0:
        raise UserError(
            f"{training[0].name} is empty (0 bytes); download the archive again or set source.archive to another."
        )
    return Layout(training[0], test[0] if test else None)
