"""The words of a round, by number, as the stage that cuts texts into words leaves them."""

import json
from itertools import chain
from pathlib import Path

from tasks.errors import UserError

VOCABULARY, TOKENISER = "vocabulary.json", "tokeniser.json"


def read_vocabulary(tokens: Path) -> list[str]:
    """Return the words in the order of their numbers: 0 is `<unk>`, 1 is `<pad>`."""
    return list(json.loads((tokens / VOCABULARY).read_text(encoding="utf-8")))


def join_vocabularies(vocabularies: list[list[str]]) -> list[str]:
    """Return the words of all rounds, each once: those of the first as they are, then what others add."""
    return list(dict.fromkeys(chain.from_iterable(vocabularies)))


def write_joined(tokens: list[Path], out: Path) -> None:
    """Write the vocabulary of all rounds, and the tokeniser's settings, beside an exported model.

    Raises UserError when the rounds cut texts in different ways.
    """
    settings = {(each / TOKENISER).read_bytes() for each in tokens}
    if len(settings) > 1:
        raise UserError(
            f"the {len(tokens)} rounds cut texts into different pieces (byte pairs are learnt in each), which one "
            "model cannot read together: set folds.mode to holdout, or tokens.kind to whole words"
        )
    words = join_vocabularies([read_vocabulary(each) for each in tokens])
    (out / VOCABULARY).write_text(json.dumps(words, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    (out / TOKENISER).write_bytes(settings.pop())
