"""The label audit of sounds outside cross-validation: a logistic regression on textures of spectrograms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.features import Features, open_features
from tasks.learning.label_audit import list_audited, make_regression, predict_out_of_fold, write_audit
from tasks.report import Report

if TYPE_CHECKING:
    from torch import Tensor

HEIGHT_PX, WIDTH_PX = 64, 128
RANGE_DB = 60  # below a clip's loudest point everything is black


def audit_sounds(spectrograms: list[Path], clips: Path, folds: Path, *, fold: int, out: Path, report: Report) -> None:
    """Audit the labels of the training and validation part of the round that holds out `fold`.

    Reads the log-mel `spectrograms` and the clean table `clips`; writes what `write_audit` does. Spectrograms differ
    from photographs: on the sample the textures of the network's maps tell 95 % of the clips, its last layer 75 %.
    """
    from tasks.learning.frozen_features import describe_textures

    rows = list_audited(folds, fold)
    regression = make_regression(describe_textures(_draw_batches(open_features(spectrograms), rows, report)))
    write_audit(predict_out_of_fold(folds, rows, regression), clips, out=out, report=report)


def _draw_batches(spectrograms: Features, rows: NDArray[np.int64], report: Report) -> Iterator[Tensor]:
    """Yield spectrograms as grey pictures (b, 3, HEIGHT_PX, WIDTH_PX) in 0..255; the loudest point is white."""
    import torch

    from tasks.learning.frozen_features import BATCH_SIZE, resize

    for start in range(0, len(rows), BATCH_SIZE):
        levels_db = torch.from_numpy(spectrograms[rows[start : start + BATCH_SIZE]]).float().flip(1)
        below_db = levels_db - levels_db.amax((1, 2), keepdim=True)
        grey = (1 + below_db / RANGE_DB).clamp(min=0).unsqueeze(1) * 255
        yield resize(grey, height=HEIGHT_PX, width=WIDTH_PX).expand(-1, 3, -1, -1)
        report.progress(start + len(grey), len(rows), "clips")
