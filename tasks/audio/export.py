"""The whole ensemble, front end included, as one TorchScript file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.audio.member import Member
from tasks.report import Report
from tasks.tables import read_classes


def export_torchscript(
    ensemble: Path,
    fitted: list[Path],
    features: list[Path],
    clips: Path,
    members: Mapping[str, Member],
    *,
    out: Path,
    report: Report,
) -> None:
    """Write `model.pt`, which takes waveforms (batch, samples) to probabilities (batch, classes).

    `features` holds the folder of spectrograms, of waveforms, or both; `clips` names the classes. The file
    carries `labels`, `sample_rate_hz` and `n_samples` as attributes; waveforms of another length are padded or
    trimmed. Beside it: `labels.json`, `export.json` and `example.npy`, waveforms to try it on. A fresh process
    that has only torch must give the same probabilities to within 1e-4.
    """
    from tasks.audio.script import write_model
    from tasks.learning.export import export_checked

    labels = read_classes(clips)
    export_checked(write_model, ensemble, fitted, features, labels, members, out=out, report=report)
