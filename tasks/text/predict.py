"""Predictions of the exported model for raw texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import UserError
from tasks.learning.served import FILE, Served, load_example, load_script
from tasks.report import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


GIVEN = "text"
BLOCK_TEXTS = 20_000  # normalised, tokenised and sorted by length together
BATCH_TEXTS, BATCH_WORDS = 256, 8192  # the most that a batch may have


def open_model(model: Path) -> Served:
    """Open an exported model for raw texts, which are normalised and tokenised as the training texts were.

    Raises UserError when the model or its vocabulary cannot be read; so do predictions of an empty text.
    """
    import numpy as np

    from tasks.text.encode import open_encoder

    script = load_script(model)
    check_vocabulary(model.parent, script.n_words)
    encode = open_encoder(model.parent)

    def predict_proba(texts: Sequence[str]) -> NDArray[np.float32]:
        check_texts(texts)
        blocks = [texts[start : start + BLOCK_TEXTS] for start in range(0, len(texts), BLOCK_TEXTS)]
        probabilities = [predict_words(script, encode(block)) for block in blocks]
        return np.concatenate(probabilities or [np.zeros((0, len(script.labels)), np.float32)])

    return Served("text", script.labels, predict_proba, lambda: _draw_text(model))


def predict_words(script: Any, texts: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
    """Return the probabilities (n, classes) of texts, given as word numbers, in order; they are batched by length."""
    import numpy as np
    import torch

    probabilities = np.zeros((len(texts), len(script.labels)), np.float32)
    with torch.inference_mode():
        for places in batch_by_length([len(words) for words in texts]):
            words = np.full((len(places), len(texts[places[-1]])), script.pad_id, np.int64)
            for row, place in enumerate(places):
                words[row, : len(texts[place])] = texts[place]
            probabilities[places] = script(torch.from_numpy(words)).numpy()
    return probabilities


def batch_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of texts from the shortest to the longest: at most 256, of 8,192 words with padding."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == BATCH_TEXTS or (len(batch) + 1) * lengths[place] > BATCH_WORDS):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def check_texts(texts: Sequence[str]) -> None:
    """Raise UserError when a text holds nothing but blanks."""
    if empty := [place for place, text in enumerate(texts, start=1) if not text.strip()]:
        raise UserError(f"text {empty[0]} of {len(texts)} is empty: a text needs at least one word")


def _load_pyfunc(data_path: str) -> Served:
    """Open a model from MLflow's registry; MLflow prescribes this name."""
    return open_model(Path(data_path, FILE))


def _draw_text(model: Path) -> str:
    """Return the words of the first example as a text."""
    from tasks.text.tokens import read_vocabulary

    words = read_vocabulary(model.parent)
    return " ".join(words[number] for number in load_example(model)[0])


def read_given(given: Sequence[str], folder: Path, report: Report) -> list[str]:
    """Return the texts of a command line; the name of a file (in `folder`) stands for its lines without blank ones.

    A pipe, such as /dev/stdin, is a file too. `report` is for domains that leave files out. Raises UserError when a
    file cannot be read as UTF-8, or holds no text.
    """
    texts: list[str] = []
    for text in given:
        path = find_file(text, folder)
        texts += [text] if path is None else read_lines(path)
    return texts


def find_file(given: str, folder: Path) -> Path | None:
    """Return the file or pipe of this name, or None."""
    try:
        path = folder / given
        return path if given.strip() and path.exists() and not path.is_dir() else None
    except (OSError, ValueError):  # too long for a name, or with a zero byte
        return None


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, without blank ones."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path.name} is not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8, for example with "
            "`iconv -f CP1252 -t UTF-8 FILE`"
        ) from error
    if not lines:
        raise UserError(f"{path.name} holds no text: write one text per line")
    return lines


def check_vocabulary(folder: Path, n_words: int) -> None:
    """Raise UserError when the vocabulary in a model's folder belongs to another model."""
    from tasks.text.tokens import read_vocabulary

    try:
        count = len(read_vocabulary(folder))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / 'vocabulary.json'} cannot be read ({error}): run `python -m flows run text` again"
        ) from error
    if count != n_words:
        raise UserError(
            f"{folder / 'vocabulary.json'} has {count} words, but the model in this folder needs {n_words}: they "
            "belong to different exports. Copy both from the same export, or run `python -m flows run text` again"
        )
