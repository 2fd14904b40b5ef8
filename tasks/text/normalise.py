"""Normalisation of texts, many at once: entities, addresses, names, elongated words and odd white space."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from tasks.text.sections import NormaliseText

ADDRESS, NAME = "xxurl", "xxuser"
# Arrow's regular expressions (RE2) match ASCII white space only, so other white space is listed, together with
# control characters, invisible characters and the byte order mark; joiners are parts of words and emoji.
BLANK = (
    r"[\x00-\x20\x7f-\xa0\x{1680}\x{180e}\x{2000}-\x{200b}\x{200e}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{2060}"
    r"\x{3000}\x{feff}]"
)
ODD_BLANK = BLANK.replace(r"\x20", r"\x1f")
ENTITY = r"&[#\w]"
NESTED = re.compile("&(?:(?:amp|#38|#x26);)+", re.IGNORECASE)
ADDRESS_PATTERN = r"(?i)(?:https?://|www\.)\S+"
NAME_PATTERN = r"(^|[^\w@])@+\w+"
LONG_RUN = "(?i)[^\\x00-\\x7f]|" + "|".join(letter * 3 for letter in "abcdefghijklmnopqrstuvwxyz")
RUN = re.compile(r"([^\W\d_])\1{2,}")

Change = Callable[[pa.StringArray], pa.StringArray]


def to_array(texts: Iterable[str]) -> pa.StringArray:
    """Return texts as an Arrow array; half a surrogate pair, which UTF-8 cannot hold, becomes a question mark."""
    return pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string())


def normalise_texts(texts: pa.StringArray, settings: NormaliseText) -> pa.StringArray:
    """Return every text with entities unescaped, placeholder words set, runs shortened and single spaces.

    Normalising a normalised text changes nothing: where one pass may have made a text that needs another one
    (`&gggg;` shortened to an entity, `@a@b`), passes repeat until the text no longer changes. Never raises.
    """
    normalised = _normalise_once(texts, settings)
    while True:
        waiting = _find_unfinished(normalised, settings)
        before = normalised.filter(waiting)
        after = _normalise_once(before, settings)
        if after.equals(before):
            return normalised
        normalised = pc.replace_with_mask(normalised, waiting, after)


def _normalise_once(texts: pa.StringArray, settings: NormaliseText) -> pa.StringArray:
    texts = _change_where(texts, ENTITY, _unescape)
    texts = _change_where(texts, ODD_BLANK, lambda matching: _replace(matching, BLANK, " "))
    if settings.mark_addresses:
        texts = _mark_addresses(texts)
    if settings.mark_names:
        texts = _change_where(texts, "@", lambda matching: _replace(matching, NAME_PATTERN, rf"\1 {NAME} "))
    if settings.shorten_elongated:
        # A shortened text may be an address: htttp://.
        shorten = (
            (lambda matching: _mark_addresses(_shorten_runs(matching))) if settings.mark_addresses else _shorten_runs
        )
        texts = _change_where(texts, LONG_RUN, shorten)
    texts = _change_where(texts, "  ", lambda matching: _replace(matching, "  +", " "))
    return pc.ascii_trim(texts, " ")


def _mark_addresses(texts: pa.StringArray) -> pa.StringArray:
    return _change_where(texts, r"://|(?i)www\.", lambda matching: _replace(matching, ADDRESS_PATTERN, f" {ADDRESS} "))


def _find_unfinished(texts: pa.StringArray, settings: NormaliseText) -> pa.BooleanArray:
    """Return where another pass may change a text: it has an entity, or a name right after a name."""
    entities = pc.match_substring_regex(texts, ENTITY)
    return pc.or_(entities, pc.match_substring_regex(texts, r"@\w")) if settings.mark_names else entities


def _change_where(texts: pa.StringArray, pattern: str, change: Change) -> pa.StringArray:
    """Return `texts` with those that match `pattern` changed; few match, and matching is quick."""
    matches = pc.match_substring_regex(texts, pattern)
    matching = texts.filter(matches)
    return pc.replace_with_mask(texts, matches, change(matching)) if len(matching) else texts


def _replace(texts: pa.StringArray, pattern: str, by: str) -> pa.StringArray:
    return pc.replace_substring_regex(texts, pattern, by)


def _unescape(texts: pa.StringArray) -> pa.StringArray:
    return pa.array([html.unescape(NESTED.sub("&", text)) for text in texts.to_pylist()], pa.string())


def _shorten_runs(texts: pa.StringArray) -> pa.StringArray:
    """Shorten runs of a letter to two; no text holds a line end here, so one call handles all texts."""
    return pa.array(RUN.sub(r"\1\1", "\n".join(texts.to_pylist())).split("\n"), pa.string())
