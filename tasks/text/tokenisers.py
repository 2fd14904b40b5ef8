"""Tokenisation of chunks, the pieces of a text between spaces: one token each, or by spaCy's rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

Tokeniser = Callable[[str], list[str]]

# Letters with the punctuation that often surrounds them, which spaCy's rules split off mark by mark.
PLAIN = re.compile(r"""(["#]*)([A-Za-z]+)('[sS])?((?:[!?,;"]|\.\.+|(?<=[a-z!?,;"])\.(?!\.))*)""")
MARK = re.compile(r"\.\.+|.", re.DOTALL)


def make_tokeniser(tokeniser: str) -> Tokeniser:
    """Return the function that splits a chunk (without white space) into tokens."""
    return SpacyTokeniser() if tokeniser == "spacy" else lambda chunk: [chunk]


class SpacyTokeniser:
    """spaCy's English tokeniser, chunk by chunk; for most chunks the result is known without calling spaCy.

    spaCy splits at white space first, and no rule of its English tokeniser spans a single space. So the tokens of a
    text are those of its chunks, and each distinct chunk is tokenised only once.
    """

    def __init__(self) -> None:
        import spacy

        tokenizer: Any = spacy.blank("en").tokenizer
        self._tokenizer = tokenizer
        self._special = frozenset(tokenizer.rules)

    def __call__(self, chunk: str) -> list[str]:
        if chunk.isascii() and chunk.isalpha() and chunk not in self._special:
            return [chunk]
        plain = PLAIN.fullmatch(chunk)
        if plain is None or self._is_special(chunk, plain):
            return [token.text for token in self._tokenizer(chunk)]
        before, letters, owner, after = plain.groups()
        return [*before, letters, *([owner] if owner else ()), *MARK.findall(after)]

    def _is_special(self, chunk: str, plain: re.Match[str]) -> bool:
        """Return whether a special rule may match the chunk, or the chunk without its punctuation."""
        letters = plain[2]
        return any(text in self._special for text in (chunk, letters, letters + (plain[3] or ""), letters + "."))


def tokenise_all(chunks: Iterable[str], tokenise: Tokeniser, *, lower: bool) -> list[list[str]]:
    """Return the tokens of each chunk."""
    if lower:
        return [[token.lower() for token in tokenise(chunk)] if chunk else [] for chunk in chunks]
    return [tokenise(chunk) if chunk else [] for chunk in chunks]
