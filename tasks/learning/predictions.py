"""Predictions of examples, and the tables that store them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.tables import read_rows, write_rows

DECIMALS = 6


@dataclass(frozen=True)
class Predictions:
    """Examples (n), their labels (n) and probabilities (n, classes)."""

    examples: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.examples)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write a table example, label, p0, p1 ...: probabilities with six decimals."""
    write_rows(path, ["example", "label", *_name_classes(predictions)], _make_rows(predictions))


def read_predictions(path: Path) -> Predictions:
    """Read a table that `write_predictions` wrote."""
    return _gather(read_rows(path, ["example", "label"]))


def write_rounds(path: Path, rounds: Mapping[tuple[str, ...], Predictions], columns: Sequence[str]) -> None:
    """Write the predictions of several rounds under one header; each key fills the leading `columns`."""
    first = next(iter(rounds.values()))
    rows = (dict(zip(columns, key, strict=True)) | row for key, block in rounds.items() for row in _make_rows(block))
    write_rows(path, [*columns, "example", "label", *_name_classes(first)], rows)


def read_rounds(path: Path, columns: Sequence[str]) -> dict[tuple[str, ...], Predictions]:
    """Read a table that `write_rounds` wrote."""
    blocks: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in read_rows(path, [*columns, "example", "label"]):
        blocks.setdefault(tuple(row[name] for name in columns), []).append(row)
    return {key: _gather(rows) for key, rows in blocks.items()}


def join_predictions(blocks: Sequence[Predictions]) -> Predictions:
    """Return several tables of predictions as one."""
    return Predictions(
        np.concatenate([block.examples for block in blocks]),
        np.concatenate([block.labels for block in blocks]),
        np.concatenate([block.probabilities for block in blocks]),
    )


def _name_classes(predictions: Predictions) -> list[str]:
    return [f"p{label}" for label in range(predictions.probabilities.shape[1])]


def _make_rows(predictions: Predictions) -> list[dict[str, object]]:
    names = _name_classes(predictions)
    triples = zip(predictions.examples, predictions.labels, predictions.probabilities, strict=True)
    return [
        {"example": example, "label": label} | {name: f"{p:.{DECIMALS}f}" for name, p in zip(names, row, strict=True)}
        for example, label, row in triples
    ]


def _gather(rows: Sequence[Mapping[str, str]]) -> Predictions:
    names = [name for name in rows[0] if name[0] == "p" and name[1:].isdigit()]
    return Predictions(
        np.array([int(row["example"]) for row in rows]),
        np.array([int(row["label"]) for row in rows]),
        np.array([[float(row[name]) for name in names] for row in rows], np.float32),
    )
