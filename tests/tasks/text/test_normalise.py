"""Normalisation never raises, changes all that it should, and does not change a normalised text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.text.normalise import normalise_texts, to_array
from tasks.text.sections import NormaliseText

ALL = NormaliseText(mark_addresses=True, mark_names=True, shorten_elongated=True)
NONE = NormaliseText(mark_addresses=False, mark_names=False, shorten_elongated=False)
# What the rules look for, so that chance makes it often.
TRICKY = st.text(st.sampled_from("&amplt#3x26;@whtp:/.sSoO_ \n\u00a0\u200b'\")(-é"))


def normalise(text: str, rules: NormaliseText = ALL) -> str:
    return str(normalise_texts(to_array([text]), rules)[0])


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("&quot;yes&quot; &amp; no &lt;3", '"yes" & no <3'),
        ("&amp;amp;lt;3", "<3"),
        ("see http://a.example/x?y=1 now", "see xxurl now"),
        ("WWW.A.EXAMPLE", "xxurl"),
        ("@bob_1 hi, @@ann's", "xxuser hi, xxuser 's"),
        ("@a@b", "xxuser xxuser"),
        ("mail me@home.example", "mail me@home.example"),
        ("sooooo goooood", "soo good"),
        ("NOOOO way", "NOO way"),
        ("ééééé", "éé"),
        ("htttp://a.example", "xxurl"),
        ("&gggg;", "≫"),
        ("hmm...!!! :))) ;-) <3", "hmm...!!! :))) ;-) <3"),
        ("  a \t b\r\nc\u00a0d\u2003e  ", "a b c d e"),
        ("zero\x00width\u200bmarks\ufeff", "zero width marks"),
        ("&#10;&nbsp;", ""),
        ("\ud83d half a pair", "? half a pair"),
    ],
)
def test_a_text_is_washed(text: str, normalised: str) -> None:
    assert normalise(text) == normalised


def test_each_rule_is_an_option() -> None:
    text = "@bob sooo http://a.example &amp; b"
    assert normalise(text, NONE) == "@bob sooo http://a.example & b"
    assert normalise(text, NONE.model_copy(update={"mark_names": True})) == "xxuser sooo http://a.example & b"
    assert normalise(text, NONE.model_copy(update={"mark_addresses": True})) == "@bob sooo xxurl & b"
    assert normalise(text, NONE.model_copy(update={"shorten_elongated": True})) == "@bob soo http://a.example & b"


@given(st.lists(st.text() | TRICKY, max_size=5), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_a_washed_text_is_washed_no_further(texts: list[str], choices: tuple[bool, bool, bool]) -> None:
    rules = NormaliseText(mark_addresses=choices[0], mark_names=choices[1], shorten_elongated=choices[2])
    once = normalise_texts(to_array(texts), rules)
    assert normalise_texts(once, rules).equals(once)
    assert all(text == " ".join(text.split()) for text in once.to_pylist())


@given(st.lists(st.text() | TRICKY, max_size=5))
def test_a_text_is_washed_alike_alone_and_among_others(texts: list[str]) -> None:
    assert normalise_texts(to_array(texts), ALL).to_pylist() == [normalise(text) for text in texts]


def test_a_tower_of_entities_takes_no_longer_than_its_length() -> None:
    assert normalise("&" + "amp;" * 200_000 + "lt;") == "<"
