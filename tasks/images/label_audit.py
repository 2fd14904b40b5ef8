"""The label audit of pictures: a logistic regression on the features of a frozen network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.features import Features, open_features
from tasks.learning.label_audit import list_audited, make_regression, predict_out_of_fold, write_audit
from tasks.report import Report
from tasks.tables import read_rows

if TYPE_CHECKING:
    from torch import Tensor

SIDE_PX = 128
SHOWN = 24  # pictures on the sheet
COLUMNS = 6


def audit_pictures(features: list[Path], pictures: Path, folds: Path, *, fold: int, out: Path, report: Report) -> None:
    """Audit the labels of the training and validation part of the round that holds out `fold`.

    `features` are the folders of the pictures at one size, `pictures` is that of the clean table. Writes what
    `write_audit` does, and `sheet.png`, the pictures with the most doubtful labels.
    """
    from tasks.learning.frozen_features import describe_pictures

    squares, rows = open_features(features), list_audited(folds, fold)
    regression = make_regression(describe_pictures(_read_batches(squares, rows, report)))
    write_audit(predict_out_of_fold(folds, rows, regression), pictures, out=out, report=report)
    _draw_sheet(out, squares)


def _read_batches(squares: Features, rows: NDArray[np.int64], report: Report) -> Iterator[Tensor]:
    """Yield pictures (b, 3, SIDE_PX, SIDE_PX) in 0..255."""
    import torch

    from tasks.learning.frozen_features import BATCH_SIZE, resize

    for start in range(0, len(rows), BATCH_SIZE):
        batch = torch.from_numpy(squares[rows[start : start + BATCH_SIZE]]).permute(0, 3, 1, 2).float()
        yield resize(batch, height=SIDE_PX, width=SIDE_PX)
        report.progress(start + len(batch), len(rows), "pictures")


def _draw_sheet(out: Path, squares: Features) -> None:
    from tasks.plots import draw_pictures

    rows = read_rows(out / "audit.csv")[:SHOWN]
    captions = [f"{row['label']}\n{row['suggested']} {float(row['p_suggested']):.0%}" for row in rows]
    shown = [squares[int(row["example"])] for row in rows]
    draw_pictures(out / "sheet.png", shown, captions, title="Most doubtful labels", columns=COLUMNS)
