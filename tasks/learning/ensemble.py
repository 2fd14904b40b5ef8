"""The ensemble: the members' probabilities, averaged within each round."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.errors import UserError
from tasks.learning.fitted import read_fit
from tasks.learning.predictions import Predictions, read_predictions, write_rounds
from tasks.report import Report
from tasks.section import Section

if TYPE_CHECKING:
    from tasks.learning.script import Assembled, Voter

PARTS = ("valid", "test")
Rounds = dict[tuple[str, ...], Predictions]


class Ensemble(Section):
    """How the members are combined; each domain names the module that exports them as one model."""

    script: ClassVar[str]
    """The module is imported by name, and only for the export, because it imports torch."""

    method: Literal["mean", "fitted"] = Field(
        description="mean; or fitted: weights fitted on a validation fold, used if they beat the best member"
    )
    metric: Literal["accuracy", "macro_f1"] = Field(
        description="by which a new model is compared with the champion; macro_f1: the mean over the classes of F1"
    )

    def modules(self) -> tuple[str, ...]:
        """Return the module with the domain's `assemble`."""
        return (self.script,)

    def assemble(self, voters: list[Voter[Any]], labels: list[str], **inputs: Any) -> Assembled:
        """Return the voters as one model; it maps the inputs that the domain's `predict` reads to probabilities."""
        assembled: Assembled = self.import_module(self.script).assemble(voters, labels, **inputs)
        return assembled


@dataclass(frozen=True)
class RoundFits:
    """The predictions of the members of one round, by name; `valid` is empty without a validation fold."""

    fold: int
    valid: dict[str, Predictions]
    test: dict[str, Predictions]


@dataclass(frozen=True)
class Blend:
    """One weight per member, adding up to 1, and the reason for these weights."""

    weights: dict[str, float]
    reason: str


def build_ensemble(fitted: list[Path], ensemble: Ensemble, *, out: Path, report: Report) -> None:
    """Combine the predictions of each round's members.

    Writes `ensemble.json` (members, weights of each round and the reason), `test.csv` and, if there is a
    validation part, `valid.csv` (fold, example, label, probabilities), and `members.csv`, each member's predictions of
    the test part.
    """
    rounds = gather_fits(fitted)
    blends = {each.fold: blend_round(each, ensemble.method) for each in rounds}
    for part in PARTS:
        blended: Rounds = {(str(r.fold),): _apply(blends[r.fold], getattr(r, part)) for r in rounds if getattr(r, part)}
        if blended:
            write_rounds(out / f"{part}.csv", blended, ["fold"])
    single: Rounds = {(name, str(r.fold)): predictions for r in rounds for name, predictions in r.test.items()}
    write_rounds(out / "members.csv", single, ["member", "fold"])
    _write_summary(out / "ensemble.json", rounds, blends)
    for reason in dict.fromkeys(blend.reason for blend in blends.values()):
        report.say(reason)


def gather_fits(fitted: list[Path]) -> list[RoundFits]:
    """Gather fits by round; raises UserError when a round lacks a member that another has."""
    rounds: dict[int, RoundFits] = {}
    for folder in fitted:
        fit = read_fit(folder)
        gathered = rounds.setdefault(fit.fold, RoundFits(fit.fold, {}, {}))
        for part in PARTS:
            if (folder / f"{part}.csv").exists():
                getattr(gathered, part)[fit.label] = read_predictions(folder / f"{part}.csv")
    ordered = [rounds[fold] for fold in sorted(rounds)]
    names = set().union(*(each.test for each in ordered))
    for each in ordered:
        if lacking := sorted(names - each.test.keys()):
            raise UserError(
                f"the round of fold {each.fold} has no fit of {', '.join(lacking)}: fit every member in every round"
            )
    return ordered


def blend_round(each: RoundFits, method: str) -> Blend:
    """Choose the weights of a round's members: equal, or fitted on the valid part if they beat the best member."""
    equal = {name: 1 / len(each.test) for name in each.test}
    if method == "mean":
        return Blend(equal, "the ensemble is the mean of its members")
    if not each.valid:
        return Blend(
            equal, "the ensemble is the mean of its members: there is no valid part, to which weights could be fitted"
        )
    if len(equal) == 1:
        return Blend(equal, "the ensemble has a single member, so there are no weights to fit")
    return _fit_blend(each.valid, equal)


def _fit_blend(valid: dict[str, Predictions], equal: dict[str, float]) -> Blend:
    labels = next(iter(valid.values())).labels
    stack = np.stack([predictions.probabilities for predictions in valid.values()]).astype(np.float64)
    fitted = fit_weights(stack, labels)
    losses = {name: measure_log_loss(member.probabilities, labels) for name, member in valid.items()}
    best = min(losses, key=losses.__getitem__)
    loss = measure_log_loss(np.tensordot(fitted, stack, 1), labels)
    figures = f"validation log loss {loss:.4f} against {losses[best]:.4f} of {best}, the best member"
    if loss < losses[best]:
        weights = dict(zip(valid, (round(float(weight), 6) for weight in fitted), strict=True))
        return Blend(weights, f"fitted weights are used: {figures}")
    return Blend(equal, f"fitted weights are not used, the mean is: {figures}")


def fit_weights(stack: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the convex weights of members (members, n, classes) with the lowest log loss.

    Expectation maximisation for mixture weights: each pass multiplies a weight by its member's mean share of the
    probability given to the true class. The problem is convex, so the passes converge to its single minimum.
    """
    right = stack[:, np.arange(len(labels)), labels].clip(1e-9)
    weights = np.full(len(stack), 1 / len(stack))
    for _ in range(1000):
        shares = weights[:, None] * right
        weights = (shares / shares.sum(0)).mean(1)
    return weights / weights.sum()


def measure_log_loss(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the mean negative log of the probability given to the true class."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(right.clip(1e-9)).mean())


def _apply(blend: Blend, members: dict[str, Predictions]) -> Predictions:
    first = next(iter(members.values()))
    mean = sum(blend.weights[name] * member.probabilities.astype(np.float64) for name, member in members.items())
    return Predictions(first.examples, first.labels, np.asarray(mean, np.float32))


def _write_summary(path: Path, rounds: list[RoundFits], blends: dict[int, Blend]) -> None:
    summary = {
        "mode": "holdout" if rounds[0].valid else "cross_validation",
        "members": sorted(rounds[0].test),
        "rounds": [{"fold": fold, "weights": b.weights, "reason": b.reason} for fold, b in blends.items()],
    }
    path.write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n")
