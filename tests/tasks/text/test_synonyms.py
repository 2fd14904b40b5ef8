"""Synonyms come from a list or from a trained embedding, and are words of the vocabulary."""

from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.text.synonyms import Synonyms, find_synonyms, read_synonyms

WORDS = ["<unk>", "<pad>", "good", "fine", "nice", "bad", "poor", "the"]


def list_synonyms(synonyms: Synonyms) -> dict[str, list[str]]:
    found = {}
    for number, word in enumerate(WORDS):
        ids = synonyms.ids[synonyms.offsets[number] : synonyms.offsets[number + 1]]
        if len(ids):
            found[word] = [WORDS[other] for other in ids]
    return found


def test_words_of_a_line_stand_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("good, fine, splendid\n\nfine,nice\nbad,poor\nlonely\n<unk>,the\n")
    assert list_synonyms(read_synonyms(tmp_path / "list.txt", WORDS)) == {
        "good": ["fine"], "fine": ["good", "nice"], "nice": ["fine"], "bad": ["poor"], "poor": ["bad"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as a list of synonyms"),
        (b"\xff\xfe", "in UTF-8"),
        (b"a, b\n", "has no line with two words"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_synonyms(tmp_path / "list.txt", WORDS)


def test_the_nearest_vectors_are_synonyms_if_they_are_near() -> None:
    vectors = np.array([[1, 0], [1, 0], [1, 0.1], [2, 0.3], [1, 0.9], [-1, 0], [-3, 0.1], [1, 0.1]], np.float32)
    near = find_synonyms(vectors, count=2, least_cosine=0.9, without=[7])
    assert list_synonyms(near) == {"good": ["fine"], "fine": ["good"], "bad": ["poor"], "poor": ["bad"]}
    assert len(find_synonyms(vectors, count=1, least_cosine=-1).ids) == len(WORDS) - 2


def test_one_synonym_of_each_word_is_drawn() -> None:
    synonyms = Synonyms(np.array([5, 6, 7], np.int32), np.array([0, 1, 1, 3]))
    drawn = synonyms.draw(np.array([0, 2, 2, 2, 2, 2, 2, 2], np.int32), np.random.default_rng(1))
    assert drawn[0] == 5 and set(drawn[1:].tolist()) == {6, 7}
    assert synonyms.is_known.tolist() == [True, False, True]
