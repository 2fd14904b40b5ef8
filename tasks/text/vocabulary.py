"""One numbering of words for all rounds, beside an exported model."""

import json
import shutil
from itertools import chain
from pathlib import Path

from tasks.errors import UserError
from tasks.text.tokens import read_vocabulary

SETTINGS = ("tokeniser.json", "bpe.model")  # the second one for byte pairs only


def join_vocabularies(vocabularies: list[list[str]]) -> list[str]:
    """Return the words of all rounds, each once: those of the first as they are, then what others add."""
    return list(dict.fromkeys(chain.from_iterable(vocabularies)))


def write_joined(tokens: list[Path], out: Path) -> None:
    """Write the vocabulary of all rounds, and the tokeniser's settings, so that texts can be turned into numbers.

    Raises UserError when the rounds cut texts in different ways.
    """
    for name in SETTINGS:
        if len({(each / name).read_bytes() for each in tokens if (each / name).exists()}) > 1:
            raise UserError(
                f"{name} differs between the {len(tokens)} rounds (byte pairs are learnt in each), so one model cannot "
                "read them all: set folds.mode to holdout, or tokens.tokeniser to spacy or whitespace"
            )
        if (tokens[0] / name).exists():
            shutil.copyfile(tokens[0] / name, out / name)
    words = join_vocabularies([read_vocabulary(each) for each in tokens])
    (out / "vocabulary.json").write_text(json.dumps(words, indent=0) + "\n")
