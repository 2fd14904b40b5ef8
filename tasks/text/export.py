"""The whole ensemble as one TorchScript file, with what turns texts into the numbers that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.report import Report
from tasks.tables import read_classes
from tasks.text.member import Member


def export_torchscript(
    ensemble: Path,
    fitted: list[Path],
    tokens: list[Path],
    tweets: Path,
    members: Mapping[str, Member],
    *,
    out: Path,
    report: Report,
) -> None:
    """Write `model.pt`, which takes word numbers (batch, longest) int64 to probabilities (batch, classes).

    `tokens` are the word numbers of each round, in the order of the folds held out; `tweets` names the classes. The
    file carries `labels`, `n_words` and `pad_id` (what stands behind shorter texts) as attributes. Beside it:
    `vocabulary.json`, `tokeniser.json`, `labels.json`, `export.json` and `example.npy`, texts to try it on. A fresh
    process that has only torch must give the same probabilities to within 1e-4.
    """
    from tasks.learning.export import export_checked
    from tasks.text.script import write_model
    from tasks.text.vocabulary import write_joined

    labels = read_classes(tweets)
    write_joined(tokens, out)
    export_checked(write_model, ensemble, fitted, tokens, labels, members, out=out, report=report)
