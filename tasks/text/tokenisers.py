"""Cutting what stands between two spaces into tokens: not at all, or as spaCy does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

Tokeniser = Callable[[str], list[str]]

# Letters with what often stands around them, where spaCy's rules come to one cut before and behind each mark.
PLAIN = re.compile(r"""(["#]*)([A-Za-z]+)('[sS])?((?:[!?,;"]|\.\.+|(?<=[a-z!?,;"])\.(?!\.))*)""")
MARK = re.compile(r"\.\.+|.", re.DOTALL)


def make_tokeniser(tokeniser: str) -> Tokeniser:
    """Return the function that cuts one chunk (no white space in it) into its tokens."""
    return SpacyTokeniser() if tokeniser == "spacy" else lambda chunk: [chunk]


class SpacyTokeniser:
    """spaCy's English tokeniser, chunk by chunk; most chunks are so plain that its answer is known without it.

    spaCy cuts at white space first, and no rule of its English reaches over single spaces: so the tokens of a text
    are those of its chunks, and each chunk need be cut only once, however often it stands in the texts.
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
        """Tell whether a rule of its own may fit the chunk, or what is left of it with marks cut off."""
        letters = plain[2]
        return any(text in self._special for text in (chunk, letters, letters + (plain[3] or ""), letters + "."))


def tokenise_all(chunks: Iterable[str], cut: Tokeniser, *, lower: bool) -> list[list[str]]:
    """Return the tokens of each chunk."""
    if lower:
        return [[token.lower() for token in cut(chunk)] if chunk else [] for chunk in chunks]
    return [cut(chunk) if chunk else [] for chunk in chunks]
