"""Statistics of clean texts: lengths, scripts, and how many hold addresses, names and smileys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.parallel import map_cores
from tasks.plots import make_axes, plot_bars, save_plot
from tasks.text.normalise import ADDRESS, NAME

IntArray = NDArray[np.int64]

# A text counts for the first of these scripts that it has a letter of. Most texts are pure ASCII, usually English.
SCRIPTS = {
    "cyrillic": r"\p{Cyrillic}", "greek": r"\p{Greek}", "arabic": r"\p{Arabic}", "hebrew": r"\p{Hebrew}",
    "japanese": r"[\p{Hiragana}\p{Katakana}]", "korean": r"\p{Hangul}", "chinese": r"\p{Han}", "thai": r"\p{Thai}",
    "latin with accents": r"[\x{c0}-\x{24f}]", "other beyond ascii": r"[^\x00-\x7f]",
}  # fmt: skip
SMILEY = r"[:;=8][-o*']?[)(\]\[dDpP/\\|]|<3"
FOUND = {"address": ADDRESS, "name": NAME, "smiley": SMILEY}


@dataclass(frozen=True)
class Description:
    """Counts of texts: with 0, 1, 2 ... characters and words, in each script, and with each pattern of FOUND."""

    n_chars: IntArray
    n_words: IntArray
    scripts: Counter[str]
    found: Counter[str]

    def __add__(self, other: Description) -> Description:
        return Description(
            _add_counts(self.n_chars, other.n_chars),
            _add_counts(self.n_words, other.n_words),
            self.scripts + other.scripts,
            self.found + other.found,
        )

    def count(self) -> dict[str, object]:
        """Return the counts of `report.json` about the texts."""
        return {
            "characters": _summarise(self.n_chars),
            "words": _summarise(self.n_words),
            "scripts": dict(self.scripts),
            "texts_with": dict(self.found),
        }


def describe_texts(texts: pa.StringArray) -> Description:
    """Return counts over some texts."""
    n_words = pc.add(pc.count_substring(texts, " "), 1)
    return Description(
        np.bincount(pc.utf8_length(texts).to_numpy()),
        np.bincount(n_words.to_numpy()),
        _count_scripts(texts),
        Counter({name: _count(texts, pattern) for name, pattern in FOUND.items()}),
    )


def describe_all(blocks: Iterable[pa.StringArray]) -> Description:
    """Return counts over all texts, on all cores; only a few blocks are in memory."""
    nothing = np.zeros(1, np.int64)
    return sum(map_cores(describe_texts, blocks), Description(nothing, nothing, Counter(), Counter()))


def draw_plots(out: Path, balance: Mapping[str, int], description: Description) -> None:
    """Draw `balance.png` and `lengths.png`."""
    plot_bars(out / "balance.png", balance, title="Tweets of each class", y_label="tweets")
    axes = make_axes("How long the tweets are", "words", "tweets")
    axes.bar(np.arange(len(description.n_words)), description.n_words, width=1.0)
    save_plot(axes, out / "lengths.png")


def _count_scripts(texts: pa.StringArray) -> Counter[str]:
    rest = texts.filter(pc.invert(pc.string_is_ascii(texts)))
    counts = Counter({"ascii": len(texts) - len(rest)})
    for name, pattern in SCRIPTS.items():
        matches = pc.match_substring_regex(rest, pattern)
        counts[name] = pc.sum(matches).as_py() or 0
        rest = rest.filter(pc.invert(matches))
    return counts


def _count(texts: pa.StringArray, pattern: str) -> int:
    return pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0


def _add_counts(first: IntArray, second: IntArray) -> IntArray:
    fewer, more = sorted((first, second), key=len)
    total = more.copy()
    total[: len(fewer)] += fewer
    return total


def _summarise(counts: IntArray) -> dict[str, float]:
    """Return shortest, median, longest and mean of lengths, given the `counts` of 0, 1, 2 ..."""
    present = np.flatnonzero(counts)
    middle = np.searchsorted(np.cumsum(counts), counts.sum() / 2)
    mean = float((counts * np.arange(len(counts))).sum() / counts.sum())
    return {"shortest": int(present[0]), "median": int(middle), "longest": int(present[-1]), "mean": round(mean, 2)}
