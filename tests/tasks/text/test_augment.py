"""Augmentation never empties a text, never changes what it is given, and does what each of its parts says."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.text.augment import Augment, augment_texts, delete_tokens, insert_tokens, replace_tokens, swap_tokens
from tasks.text.synonyms import Synonyms
from tasks.text.tokens import TokenTable

N_WORDS = 20
NOTHING: dict[str, float | str] = {
    "delete_share": 0.0, "swap_share": 0.0, "insert_share": 0.0, "replace_share": 0.0, "altered_share": 1.0,
    "synonyms": "vectors", "nearest": 2, "least_cosine": 0.5, "seed": 1,
}  # fmt: skip
# Every even word has two synonyms, thirty and forty more than itself.
SYNONYMS = Synonyms(
    np.array([word + more for word in range(0, N_WORDS, 2) for more in (30, 40)], np.int32),
    np.concatenate([[0], np.cumsum([2, 0] * (N_WORDS // 2)), [N_WORDS] * 40]).astype(np.int64),
)
SHARES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
TEXTS = st.lists(st.lists(st.integers(0, N_WORDS - 1), min_size=1, max_size=8), min_size=1, max_size=6)


def make_batch(texts: list[list[int]]) -> TokenTable:
    ids = np.array([token for text in texts for token in text], np.int32)
    ids.flags.writeable = False
    return TokenTable(ids, np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64))


def list_texts(batch: TokenTable) -> list[list[int]]:
    return [batch[row].tolist() for row in range(len(batch))]


def everywhere(batch: TokenTable, share: float) -> np.ndarray:
    return np.full(len(batch), share)


@given(
    TEXTS,
    st.fixed_dictionaries(dict.fromkeys([name for name in NOTHING if "share" in name], SHARES)),
    st.integers(0, 9),
)
def test_no_text_is_emptied_and_none_is_changed_where_it_stands(
    texts: list[list[int]], shares: dict[str, float], seed: int
) -> None:
    batch = make_batch(texts)
    section = Augment.model_validate(NOTHING | shares)
    altered, again = (augment_texts(batch, section, SYNONYMS, np.random.default_rng(seed)) for _ in range(2))
    assert list_texts(batch) == texts
    assert len(altered) == len(texts) and min(altered.lengths) >= 1
    assert list_texts(altered) == list_texts(again)
    assert altered.ids.dtype == np.int32
    known = {word + more for text in texts for word in text for more in (0, 30, 40)}
    assert set(altered.ids.tolist()) <= known


def test_with_no_share_nothing_changes() -> None:
    batch = make_batch([[1, 2, 3], [4]])
    section = Augment.model_validate(NOTHING)
    assert list_texts(augment_texts(batch, section, None, np.random.default_rng(1))) == [[1, 2, 3], [4]]
    drawn = Augment.model_validate(NOTHING | {"delete_share": 1.0, "altered_share": 0.0})
    assert list_texts(augment_texts(batch, drawn, None, np.random.default_rng(1))) == [[1, 2, 3], [4]]


def test_deletion_leaves_so_many_out_and_always_one_in() -> None:
    batch = make_batch([list(range(10))] * 1000)
    some = delete_tokens(batch, everywhere(batch, 0.3), np.random.default_rng(1))
    assert some.lengths.mean() == pytest.approx(7, abs=0.2)
    assert all(text == sorted(text) for text in list_texts(some))
    last = delete_tokens(batch, everywhere(batch, 1.0), np.random.default_rng(1))
    assert set(last.lengths.tolist()) == {1} and len(set(last.ids.tolist())) == 10


def test_a_swap_keeps_the_words_and_moves_two() -> None:
    batch = make_batch([list(range(10))] * 500 + [[7]])
    swapped = list_texts(swap_tokens(batch, everywhere(batch, 0.1), np.random.default_rng(1)))
    assert all(sum(a != b for a, b in zip(text, range(10), strict=True)) == 2 for text in swapped[:-1])
    assert all(sorted(text) == list(range(10)) for text in swapped[:-1])
    assert swapped[-1] == [7]


def test_a_replaced_word_becomes_one_of_its_synonyms() -> None:
    batch = make_batch([[2, 3, 4]] * 200)
    texts = list_texts(replace_tokens(batch, everywhere(batch, 1.0), SYNONYMS, np.random.default_rng(1)))
    assert {tuple(text) for text in texts} == {(a, 3, b) for a in (32, 42) for b in (34, 44)}


def test_a_synonym_is_put_in_anywhere_and_the_text_keeps_its_order() -> None:
    batch = make_batch([[1, 2, 3]] * 300)
    texts = list_texts(insert_tokens(batch, everywhere(batch, 1.0), SYNONYMS, np.random.default_rng(1)))
    assert all([token for token in text if token < 30] == [1, 2, 3] and len(text) == 4 for text in texts)
    places = Counter(next(place for place, token in enumerate(text) if token >= 30) for text in texts)
    assert set(places) == {0, 1, 2, 3} and min(places.values()) > 40


def test_synonyms_that_are_needed_and_missing_are_named() -> None:
    with pytest.raises(ValidationError, match=r"insert_share 0\.1 and replace_share 0 need synonyms"):
        Augment.model_validate(NOTHING | {"insert_share": 0.1, "synonyms": "none"})
    with pytest.raises(ValidationError):
        Augment.model_validate(NOTHING | {"delete_share": 1.5})
