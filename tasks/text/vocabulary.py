"""One numbering of words for all rounds, beside an exported model."""

from itertools import chain
from pathlib import Path

from tasks.errors import UserError

SETTINGS = ("tokeniser.json", "bpe.model")  # the second one for byte pairs only


def join_vocabularies(vocabularies: list[list[str]]) -> list[str]:
    """Return the words of all rounds, each once: those of the first as they are, then what others add."""
    return list(dict.fromkeys(chain.from_iterable(vocabularies)))


def copy_settings(tokens: list[Path]) -> dict[str, bytes]:
    """Return the files that say how the rounds cut texts, by name; raises UserError when they differ."""
    files = {}
    for name in SETTINGS:
        contents = {(folder / name).read_bytes() for folder in tokens if (folder / name).exists()}
        if len(contents) > 1:
            raise UserError(
                f"{name} differs between the {len(tokens)} rounds (byte pairs are learnt in each), so one model cannot "
                "read them all: set folds.mode to holdout, or tokens.tokeniser to spacy or whitespace"
            )
        if contents:
            files[name] = contents.pop()
    return files
