"""The whole ensemble, resizing included, as one TorchScript file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.images.member import Member
from tasks.report import Report
from tasks.tables import read_classes


def export_torchscript(
    ensemble: Path,
    fitted: list[Path],
    pictures: Path,
    members: Mapping[str, Member],
    *,
    out: Path,
    report: Report,
) -> None:
    """Write `model.pt`, which takes pictures (batch, 3, height, width) uint8 of any size to probabilities.

    `pictures` names the classes. The file carries `labels` as an attribute. Beside it: `labels.json`,
    `export.json` and `example.npy`, pictures to try it on. A fresh process that has only torch must give the
    same probabilities to within 1e-4.
    """
    from tasks.images.script import write_model
    from tasks.learning.export import export_checked

    labels = read_classes(pictures)
    export_checked(write_model, ensemble, fitted, labels, members, out=out, report=report)
