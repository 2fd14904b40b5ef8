"""Tweets that say the same stay on one side of a split: retweets, the same words, a user's texts one word apart."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.tables import read_rows
from tasks.text.text_hashes import hash_strings
from tests.tasks.text.tweets import make_line, run_clean

BASE = "what a lovely morning by the sea"
TEXTS = {
    "retweet": ("RT @ann: what a lovely morning by the sea", "bob", True),
    "retweet with a comment": ("so true RT @ann: what a lovely morning by the sea", "bob", True),
    "told by way of": ("what a lovely morning by the sea (via @ann)", "bob", True),
    "case and punctuation": ("What a LOVELY morning, by the sea!!", "bob", True),
    "another order": ("by the sea what a lovely morning", "bob", True),
    "another address": ("what a lovely morning by the sea http://b.example", "bob", True),
    "the user's own, one word changed": ("what a lovely evening by the sea", "ann", True),
    "the user's own, one word more": ("what a lovely sunny morning by the sea", "ann", True),
    "the user's own, one word less": ("what a morning by the sea", "ann", True),
    "another user's, one word changed": ("what a lovely evening by the sea", "bob", False),
    "the user's own, two words changed": ("what a lovely evening by the lake", "ann", False),
    "something else": ("the train is late", "ann", False),
}


@pytest.mark.parametrize("case", TEXTS)
def test_texts_share_a_group_when_they_say_the_same(tmp_path: Path, case: str) -> None:
    text, user, expected = TEXTS[case]
    lines = [make_line("4", BASE, user="ann"), make_line("4", text, user=user), make_line("0", "cold rain", user="cy")]
    groups = [row["group"] for row in read_rows(run_clean(tmp_path, lines) / "examples.csv")]
    assert (groups[0] == groups[1]) is expected
    assert groups[2] not in groups[:2]


def test_short_texts_and_smileys_hang_together_with_nothing(tmp_path: Path) -> None:
    texts = ["good night", "good day", ":)", ":(", "?", "!!", "so good night", "RT @bob"]
    lines = [make_line("04"[n % 2], text, user="ann") for n, text in enumerate(texts)]
    groups = [row["group"] for row in read_rows(run_clean(tmp_path, lines) / "examples.csv")]
    assert len(set(groups)) == len(groups)


def test_hashes_tell_a_hundred_thousand_texts_apart() -> None:
    texts = [f"{n:x}" for n in range(50_000)] + [f"{n} {n + 1}" for n in range(50_000)]
    array = pa.array(texts)
    hashes = hash_strings(array)
    assert len(np.unique(hashes)) == len(texts)
    assert np.array_equal(hash_strings(array[700:900]), hashes[700:900])
    assert hash_strings(pa.array(["", "a", ""])).tolist() == [0, int(hash_strings(pa.array(["a"]))[0]), 0]
