"""What a data set holds, seen from names and headers alone, before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tasks.clean_table import Dropped


@dataclass(frozen=True)
class Survey:
    """A data set of one domain: its layout in words, and what a run would use and set aside.

    `counts` has the number of usable `unit`s of each (split, class), `settings` the params that it needs, `remarks`
    what a person should know. `n_folds` is the number of the source's own folds, 0 if it has none.
    """

    unit: str
    layout: list[str]
    counts: Counter[tuple[str, str]]
    dropped: list[Dropped]
    settings: Mapping[str, object] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    n_folds: int = 0

    @property
    def classes(self) -> Counter[str]:
        """The number of usable units of each class."""
        totals = Counter[str]()
        for (_, category), count in self.counts.items():
            totals[category] += count
        return totals

    @property
    def splits(self) -> list[str]:
        """The source's own splits, in the order train, valid, test; none if it has no splits."""
        present = {split for split, _ in self.counts}
        return [split for split in ("train", "valid", "test") if split in present]


def list_examples(dropped: Iterable[Dropped]) -> list[tuple[int, Dropped]]:
    """Return for each kind of reason the number of its rows and the first of them, the most frequent kind first."""
    first: dict[str, Dropped] = {}
    counts = Counter[str]()
    for each in dropped:
        counts[each.kind] += 1
        first.setdefault(each.kind, each)
    return [(count, first[kind]) for kind, count in counts.most_common()]
