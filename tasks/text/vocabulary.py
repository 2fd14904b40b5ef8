"""The vocabulary of an exported model, which is the same for all rounds."""

from itertools import chain
from pathlib import Path

from tasks.errors import UserError

SETTINGS = ("tokeniser.json", "bpe.model")  # the second for byte pairs only


def join_vocabularies(vocabularies: list[list[str]]) -> list[str]:
    """Return the words of all rounds, each once: those of the first round, then the new words of each later round."""
    return list(dict.fromkeys(chain.from_iterable(vocabularies)))


def copy_settings(tokens: list[Path]) -> dict[str, bytes]:
    """Return the tokenisers' files by name; raises UserError when they differ between the rounds."""
    files = {}
    for name in SETTINGS:
        contents = {(folder / name).read_bytes() for folder in tokens if (folder / name).exists()}
        if len(contents) > 1:
            raise UserError(
                f"{name} differs between the {len(tokens)} rounds (byte pairs are learnt in each), so their networks "
                "cannot be exported as one model: set folds.mode to holdout, or tokens.tokeniser to spacy or whitespace"
            )
        if contents:
            files[name] = contents.pop()
    return files
