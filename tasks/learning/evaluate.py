"""Scores of the ensemble and its members on examples that they were not trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import UserError
from tasks.learning.predictions import Predictions, join_predictions, read_rounds
from tasks.report import Report
from tasks.tables import read_classes, write_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rounds = dict[tuple[str, ...], Predictions]


def evaluate_predictions(
    ensemble: Path, examples: Path, all_members: Path | None = None, *, out: Path, report: Report
) -> None:
    """Score the held-out predictions of `ensemble`; `examples` names the classes.

    `all_members` is an ensemble that also has the members that cannot be exported; it is scored too. Writes
    `metrics.json` (ensemble and members: accuracy with mean and spread over folds, macro F1, log loss, calibration
    error), `folds.csv`, `per_class.csv`, `confusion.csv` (one row per example), `confusion.png`, `calibration.csv` and
    `.png`. Raises UserError when an example was predicted twice.
    """
    from tasks.learning.score_plots import draw_calibration, draw_confusion

    classes = read_classes(examples)
    rounds = read_rounds(ensemble / "test.csv", ["fold"])
    whole = join_predictions(list(rounds.values()))
    check_once(whole)
    members = _split_members(read_rounds((all_members or ensemble) / "members.csv", ["member", "fold"]))
    ensembles = {"ensemble": rounds}
    if all_members is not None:
        ensembles["all_members"] = read_rounds(all_members / "test.csv", ["fold"])
    metrics: dict[str, Any] = {name: summarise(model) for name, model in ensembles.items()}
    metrics["members"] = {name: summarise(model) for name, model in members.items()}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
    _write_folds(out / "folds.csv", ensembles | members)
    _write_classes(out, whole, classes)
    draw_confusion(out / "confusion.png", whole, classes)
    draw_calibration(out, whole)
    _report_scores(report, metrics["ensemble"])


def check_once(predictions: Predictions) -> None:
    """Raise UserError when an example was predicted in more than one round: it would count twice."""
    examples, counts = np.unique(predictions.examples, return_counts=True)
    if (counts > 1).any():
        twice = ", ".join(str(example) for example in examples[counts > 1][:5])
        raise UserError(f"examples {twice} were predicted in more than one round: give each example one test fold")


def summarise(rounds: Rounds) -> dict[str, Any]:
    """Return the scores of all rounds together, and the accuracy's mean and spread over the rounds.

    The spread is the standard deviation between folds (n - 1); 0 for a single round.
    """
    from tasks.learning.metrics import score

    by_fold = np.array([score(predictions).accuracy for predictions in rounds.values()])
    spread = float(by_fold.std(ddof=1)) if len(by_fold) > 1 else 0.0
    return score(join_predictions(list(rounds.values()))).rounded() | {
        "accuracy_mean": round(float(by_fold.mean()), 6),
        "accuracy_spread": round(spread, 6),
        "examples": sum(len(predictions) for predictions in rounds.values()),
        "folds": len(rounds),
    }


def _split_members(blocks: Rounds) -> dict[str, Rounds]:
    members: dict[str, Rounds] = {}
    for (member, fold), predictions in blocks.items():
        members.setdefault(member, {})[(fold,)] = predictions
    return members


def _write_folds(path: Path, models: dict[str, Rounds]) -> None:
    from tasks.learning.metrics import Scores, score

    columns = ["model", "fold", "examples", *Scores.__dataclass_fields__]
    rows = (
        {"model": model, "fold": fold, "examples": len(predictions)} | score(predictions).rounded()
        for model, rounds in models.items()
        for (fold,), predictions in rounds.items()
    )
    write_rows(path, columns, rows)


def _write_classes(out: Path, whole: Predictions, classes: list[str]) -> None:
    from tasks.learning.metrics import score_classes

    figures = score_classes(whole)
    columns = ["category", "precision", "recall", "f1", "examples"]
    shares = [share.round(6) for share in (figures.precision, figures.recall, figures.f1)]
    rows = zip(classes, *shares, figures.examples, strict=True)
    write_rows(out / "per_class.csv", columns, (dict(zip(columns, row, strict=True)) for row in rows))
    chosen: NDArray[np.int64] = whole.probabilities.argmax(1)
    pairs = zip(whole.examples, whole.labels, chosen, strict=True)
    write_rows(
        out / "confusion.csv",
        ["example", "actual", "predicted"],
        (
            {"example": example, "actual": classes[label], "predicted": classes[guess]}
            for example, label, guess in pairs
        ),
    )


def _report_scores(report: Report, figures: dict[str, Any]) -> None:
    report.metrics({name: float(value) for name, value in figures.items()}, step=0)
    report.say(
        f"accuracy {figures['accuracy_mean']:.1%} ± {figures['accuracy_spread']:.1%} over {figures['folds']} folds, "
        f"macro F1 {figures['macro_f1']:.3f}, log loss {figures['log_loss']:.3f}, "
        f"calibration error {figures['calibration_error']:.3f}"
    )
