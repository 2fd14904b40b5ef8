"""What clean texts are like: how long, in which scripts, with how many marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.plots import make_axes, plot_bars, save_plot
from tasks.text.wash import ADDRESS, NAME

Whole = NDArray[np.int64]

# A text counts for the first script that it has a letter of; texts of ASCII alone are most, and English as a rule.
SCRIPTS = {
    "cyrillic": r"\p{Cyrillic}", "greek": r"\p{Greek}", "arabic": r"\p{Arabic}", "hebrew": r"\p{Hebrew}",
    "japanese": r"[\p{Hiragana}\p{Katakana}]", "korean": r"\p{Hangul}", "chinese": r"\p{Han}", "thai": r"\p{Thai}",
    "latin with accents": r"[\x{c0}-\x{24f}]", "other beyond ascii": r"[^\x00-\x7f]",
}  # fmt: skip
FOUND = {
    "address": rf"\b{ADDRESS}\b", "name": rf"\b{NAME}\b", "smiley": r"(?:^|[^\w])[:;=8][-o*']?[)(\]\[dDpP/\\|]|<3",
    "letter": r"\pL",
}  # fmt: skip


@dataclass
class Description:
    """Counts over texts: how many have 0, 1, 2 ... characters and words, which script, and what is in them."""

    n_chars: Whole
    n_words: Whole
    scripts: Counter[str]
    found: Counter[str]

    def as_report(self) -> dict[str, object]:
        """Return the counts by name."""
        return {
            "characters": _summarise(self.n_chars),
            "words": _summarise(self.n_words),
            "scripts": {name: count for name, count in self.scripts.items() if count},
            "texts_with": dict(self.found),
        }


def describe_texts(blocks: Iterable[pa.StringArray]) -> Description:
    """Return counts over all texts; memory holds a block."""
    told = Description(np.zeros(0, np.int64), np.zeros(0, np.int64), Counter(), Counter())
    for texts in blocks:
        told.n_chars = _add_counts(told.n_chars, pc.utf8_length(texts))
        told.n_words = _add_counts(told.n_words, pc.add(pc.count_substring(texts, " "), 1))
        told.found.update({name: _count(texts, pattern) for name, pattern in FOUND.items()})
        told.scripts.update(_count_scripts(texts))
    return told


def draw_plots(out: Path, balance: Mapping[str, int], told: Description) -> None:
    """Draw `balance.png` and `lengths.png`."""
    plot_bars(out / "balance.png", balance, title="Tweets of each class", y_label="tweets")
    axes = make_axes("How long the tweets are", "words", "tweets")
    axes.bar(np.arange(len(told.n_words)), told.n_words, width=1.0)
    save_plot(axes, out / "lengths.png")


def _count_scripts(texts: pa.StringArray) -> dict[str, int]:
    rest = texts.filter(pc.invert(pc.string_is_ascii(texts)))
    counts = {"ascii": len(texts) - len(rest)}
    for name, pattern in SCRIPTS.items():
        there = pc.match_substring_regex(rest, pattern)
        counts[name] = pc.sum(there).as_py() or 0
        rest = rest.filter(pc.invert(there))
    return counts


def _count(texts: pa.StringArray, pattern: str) -> int:
    return pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0


def _add_counts(counts: Whole, lengths: pa.Int32Array) -> Whole:
    more = np.bincount(lengths.to_numpy(), minlength=len(counts))
    more[: len(counts)] += counts
    return more


def _summarise(counts: Whole) -> dict[str, float]:
    """Return what is told of lengths, of which there are `counts` of 0, 1, 2 ..."""
    there = np.flatnonzero(counts)
    middle = np.searchsorted(np.cumsum(counts), counts.sum() / 2)
    mean = float((counts * np.arange(len(counts))).sum() / counts.sum())
    return {"shortest": int(there[0]), "median": int(middle), "longest": int(there[-1]), "mean": round(mean, 2)}
