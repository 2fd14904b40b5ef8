"""The fast tokeniser gives spaCy's tokens, for plain chunks and for odd ones."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dice import Dice
from tasks.text.phrases import NEGATIVE, POSITIVE, write_message
from tasks.text.tokenisers import SpacyTokeniser

CUT = SpacyTokeniser()
ODD = r"""
i'm don't can't shan't y'all it's she'd they're Ann's KIDS' o'clock 'tis gonna gimme cannot dunno ma'am a.m. p.m. 8am
10:30 e.g. i.e. U.S. Mr. Dr. vs. etc. Jan. no. a. b. I. :) :-) :D :P :'( ;) <3 xD XD o.O >.< ^_^ (: =) :)) :))) ...
.... .. . ! !! !? ?!? , ,, ;; -- --- - – — #tag #2nd @ann a@b.example http://a.example/x?y=1 www.a.example a.example/b
$5 £5 5% 10km 3GB 1,000 2.50 1/2 24/7 and/or well-known co-op e-mail c++ c# (a) [b] {c} "a" "a." "a". 'a' a's' s's *a*
_a_ ~a~ a... a...b ...a a..b a.b a,b a!b a?b a;b a:b A.B AB. aB. a'b' café naïve. Ärger! 你好 привет! ☺ 😀 a😀 :/ </3
\o/ word.! word!. word.. word,. word." "#word" #"word" xxurl xxuser
"""


def cut_whole(text: str) -> list[str]:
    return [token.text for token in CUT._tokenizer(text)]


@pytest.mark.parametrize("chunk", ODD.split())
def test_a_chunk_is_cut_as_spacy_cuts_it(chunk: str) -> None:
    assert CUT(chunk) == cut_whole(chunk)


def test_chunks_of_every_rule_with_marks_around_are_cut_as_spacy_cuts_them() -> None:
    luck = random.Random(1)
    rules = [rule for rule in CUT._special if rule.strip() and " " not in rule]
    for _ in range(20_000):
        core = luck.choice(rules if luck.random() < 0.5 else ["word", "Word", "WORD", "a", "I", "ok", "km"])
        before = luck.choice(["", "", '"', "#", '"#', "("])
        after = "".join(luck.choice('!?,;".') for _ in range(luck.choice([0, 1, 1, 2, 3])))
        chunk = before + core + luck.choice(["", "", "'s", "'S"]) + after
        assert CUT(chunk) == cut_whole(chunk), chunk


def test_a_text_is_cut_as_spacy_cuts_it_whole() -> None:
    luck = random.Random(2)
    for number in range(500):
        words = write_message(Dice(1, number), (NEGATIVE, POSITIVE)[number % 2]).split(" ")
        for _ in range(4):
            words.insert(luck.randrange(len(words) + 1), luck.choice(ODD.split()))
        text = " ".join(words)
        assert [token for chunk in words for token in CUT(chunk)] == cut_whole(text), text


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Z", "C")), min_size=1, max_size=8), max_size=6))
def test_any_text_of_single_spaces_is_cut_as_spacy_cuts_it(chunks: list[str]) -> None:
    text = " ".join(chunks)
    if text.split() == chunks:
        assert [token for chunk in chunks for token in CUT(chunk)] == cut_whole(text)
