"""What the exported model makes of raw texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import UserError
from tasks.learning.served import FILE, Served, ask_each, load_example, load_script

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


GIVEN = "text"


def open_model(model: Path) -> Served:
    """Open an exported model for raw texts, which are normalised and cut as those were that the model learnt from.

    Raises UserError when it or the vocabulary beside it cannot be read, or a text is empty.
    """
    import torch

    from tasks.text.encode import open_encoder

    script = load_script(model)
    check_vocabulary(model.parent, script.n_words)
    encode = open_encoder(model.parent)

    def predict_proba(texts: Sequence[str]) -> NDArray[np.float32]:
        check_texts(texts)
        return ask_each(script, (torch.from_numpy(words).long() for words in encode(texts)))

    return Served("text", script.labels, predict_proba, lambda: _draw_text(model))


def check_texts(texts: Sequence[str]) -> None:
    """Raise UserError when a text holds nothing but blanks."""
    if empty := [place for place, text in enumerate(texts, start=1) if not text.strip()]:
        raise UserError(f"text {empty[0]} of {len(texts)} is empty: there is nothing to judge; give it words")


def _load_pyfunc(data_path: str) -> Served:
    """Open a model that MLflow keeps: the name is MLflow's."""
    return open_model(Path(data_path, FILE))


def _draw_text(model: Path) -> str:
    """Return the words of the first example."""
    from tasks.text.tokens import read_vocabulary

    words = read_vocabulary(model.parent)
    return " ".join(words[number] for number in load_example(model)[0])


def read_given(given: Sequence[str], folder: Path) -> list[str]:
    """Return the texts given on a command line: a file's name (from `folder`) stands for its lines, but blank ones.

    Raises UserError when a file cannot be read as UTF-8, or holds no text.
    """
    texts: list[str] = []
    for one in given:
        path = find_file(one, folder)
        texts += [one] if path is None else read_lines(path)
    return texts


def find_file(given: str, folder: Path) -> Path | None:
    """Return the file that a text names, or None."""
    try:
        path = folder / given
        return path if given.strip() and path.is_file() else None
    except (OSError, ValueError):  # too long for a name, or with a zero byte
        return None


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that hold more than blanks."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path.name} is no text in UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8"
        ) from error
    if not lines:
        raise UserError(f"{path.name} holds no text: write one a line")
    return lines


def check_vocabulary(folder: Path, n_words: int) -> None:
    """Raise UserError when the vocabulary beside a model is not the one that it was made with."""
    from tasks.text.tokens import read_vocabulary

    try:
        found = len(read_vocabulary(folder))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / 'vocabulary.json'} cannot be read ({error}): run the flow's export again"
        ) from error
    if found != n_words:
        raise UserError(
            f"{folder / 'vocabulary.json'} has {found} words, the model beside it was made for {n_words}: they belong "
            "to different exports; copy both from one, or run the flow's export again"
        )
