"""Parses Twitter's dates, such as `Mon Apr 06 22:19:45 PDT 2009`, many at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

LAYOUT = r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [0-3]\d [0-2]\d:[0-5]\d:[0-6]\d [A-Z]{3} [12]\d{3}$"
WIDTH = 28
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ZONES_HOURS = {"UTC": 0, "GMT": 0, "PDT": -7, "PST": -8, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "BST": 1}
NO_DATE = np.datetime64("NaT", "s")


def read_dates(texts: pa.StringArray) -> NDArray[np.datetime64]:
    """Return dates in UTC, datetime64[s] (rows); NaT if a text has another format or its zone is unknown."""
    dates = np.full(len(texts), NO_DATE)
    fits = pc.match_substring_regex(texts, LAYOUT).to_numpy(zero_copy_only=False)
    matching = texts.filter(pa.array(fits))
    letters = np.frombuffer(matching.buffers()[2] or b"", np.uint8)[: len(matching) * WIDTH].reshape(-1, WIDTH)
    months, is_month = _look_up(letters[:, 4:7], dict(zip(MONTHS, range(12), strict=True)))
    hours, is_zone = _look_up(letters[:, 20:23], ZONES_HOURS)
    date = (_read_number(letters[:, 24:28]) - 1970).astype("M8[Y]").astype("M8[M]") + months
    days = date.astype("M8[D]") + (_read_number(letters[:, 8:10]) - 1)
    clock = [_read_number(letters[:, start : start + 2]) for start in (11, 14, 17)]
    seconds = (clock[0] - hours) * 3600 + clock[1] * 60 + clock[2]
    dates[fits] = np.where(is_month & is_zone, days.astype("M8[s]") + seconds, NO_DATE)
    return dates


def _read_number(digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the whole numbers that rows of ASCII digits spell, (rows)."""
    places = 10 ** np.arange(digits.shape[1])[::-1]
    return (digits.astype(np.int64) - ord("0")) @ places


def _look_up(letters: NDArray[np.uint8], meanings: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the number that each row of three letters stands for, and whether it is known."""
    codes = _spell(letters)
    numbers, is_known = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.bool_)
    for name, number in meanings.items():
        same = codes == _spell(np.frombuffer(name.encode(), np.uint8)[None])[0]
        numbers[same], is_known[same] = number, True
    return numbers, is_known


def _spell(letters: NDArray[np.uint8]) -> NDArray[np.int64]:
    return letters.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
