"""Washing texts: entities, addresses, names, elongated words and odd white space, many texts at once."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from tasks.text.sections import Wash

ADDRESS, NAME = "xxurl", "xxuser"
# Arrow's regular expressions (RE2) know white space of ASCII only, so the rest is named; with it what is no text:
# control characters, invisible marks and the byte order mark.
BLANK = r"[\x00-\x20\x7f-\xa0\x{1680}\x{180e}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{2060}\x{3000}\x{feff}]"
ODD_BLANK = BLANK.replace(r"\x20", r"\x1f")
ENTITY = r"&[#\w]"
NESTED = re.compile("&(?:(?:amp|#38|#x26);)+", re.IGNORECASE)
ADDRESS_PATTERN = r"(?i)(?:https?://|www\.)\S+"
NAME_PATTERN = r"(^|[^\w@])@+\w+"
LONG_RUN = "(?i)[^\\x00-\\x7f]|" + "|".join(letter * 3 for letter in "abcdefghijklmnopqrstuvwxyz")
RUN = re.compile(r"([^\W\d_])\1{2,}")

Change = Callable[[pa.StringArray], pa.StringArray]


def to_array(texts: Iterable[str]) -> pa.StringArray:
    """Return texts as an Arrow array; half a surrogate pair, which is no text, becomes a question mark."""
    return pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string())


def wash_texts(texts: pa.StringArray, wash: Wash) -> pa.StringArray:
    """Return every text washed: entities unescaped, marks set, runs shortened, single spaces between words.

    Washing a washed text changes nothing: a text that one pass may have made dirty again (`&gggg;` shortened to
    an entity, `@a@b`) is washed until it stays as it is. Never raises.
    """
    washed = _wash_once(texts, wash)
    while True:
        waiting = _find_dirty(washed, wash)
        before = washed.filter(waiting)
        after = _wash_once(before, wash)
        if after.equals(before):
            return washed
        washed = pc.replace_with_mask(washed, waiting, after)


def _wash_once(texts: pa.StringArray, wash: Wash) -> pa.StringArray:
    texts = _change_where(texts, ENTITY, _unescape)
    texts = _change_where(texts, ODD_BLANK, lambda some: _replace(some, BLANK, " "))
    if wash.mark_addresses:
        texts = _mark_addresses(texts)
    if wash.mark_names:
        texts = _change_where(texts, "@", lambda some: _replace(some, NAME_PATTERN, rf"\1 {NAME} "))
    if wash.shorten_elongated:
        # What is shortened may be an address then: htttp://.
        shorten = (lambda some: _mark_addresses(_shorten_runs(some))) if wash.mark_addresses else _shorten_runs
        texts = _change_where(texts, LONG_RUN, shorten)
    texts = _change_where(texts, "  ", lambda some: _replace(some, "  +", " "))
    return pc.ascii_trim(texts, " ")


def _mark_addresses(texts: pa.StringArray) -> pa.StringArray:
    return _change_where(texts, r"://|(?i)www\.", lambda some: _replace(some, ADDRESS_PATTERN, f" {ADDRESS} "))


def _find_dirty(texts: pa.StringArray, wash: Wash) -> pa.BooleanArray:
    """Return where a pass may have made what the next one would change: entities, or names behind names."""
    entities = pc.match_substring_regex(texts, ENTITY)
    return pc.or_(entities, pc.match_substring_regex(texts, r"@\w")) if wash.mark_names else entities


def _change_where(texts: pa.StringArray, pattern: str, change: Change) -> pa.StringArray:
    """Return `texts` with those that match `pattern` changed; most match nothing, and looking is quick."""
    found = pc.match_substring_regex(texts, pattern)
    some = texts.filter(found)
    return pc.replace_with_mask(texts, found, change(some)) if len(some) else texts


def _replace(texts: pa.StringArray, pattern: str, by: str) -> pa.StringArray:
    return pc.replace_substring_regex(texts, pattern, by)


def _unescape(texts: pa.StringArray) -> pa.StringArray:
    return pa.array([html.unescape(NESTED.sub("&", text)) for text in texts.to_pylist()], pa.string())


def _shorten_runs(texts: pa.StringArray) -> pa.StringArray:
    """Shorten runs of a letter to two; no text holds a line end here, so that one call serves all."""
    return pa.array(RUN.sub(r"\1\1", "\n".join(texts.to_pylist())).split("\n"), pa.string())
