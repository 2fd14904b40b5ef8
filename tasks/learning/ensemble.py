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
    """How the members are put together; each domain names the module that exports them as one model."""

    script: ClassVar[str]
    """It is imported by name and only when the ensemble is exported, since it imports torch."""

    method: Literal["mean", "fitted"] = Field(
        description="mean; or, in holdout, weights fitted on validation and kept if they beat the best member there"
    )

    def modules(self) -> tuple[str, ...]:
        """Return the module with the domain's `assemble`."""
        return (self.script,)

    def assemble(self, voters: list[Voter[Any]], labels: list[str], **inputs: Any) -> Assembled:
        """Return the voters as one model, from what the domain's `predict` reads to probabilities."""
        assembled: Assembled = self.import_module(self.script).assemble(voters, labels, **inputs)
        return assembled


@dataclass(frozen=True)
class RoundFits:
    """What the members of one round predicted, by name; `valid` is empty in cross-validation."""

    fold: int
    valid: dict[str, Predictions]
    test: dict[str, Predictions]


@dataclass(frozen=True)
class Blend:
    """One weight a member, adding up to 1, and in words how they came about."""

    weights: dict[str, float]
    reason: str


def build_ensemble(fitted: list[Path], ensemble: Ensemble, *, out: Path, report: Report) -> None:
    """Put the members of each round together.

    Writes `ensemble.json` (members, weights of each round and why), `test.csv` and, in holdout mode,
    `valid.csv` (fold, example, label, probabilities), and `members.csv`, each member's own rows of the test part.
    """
    rounds = gather_fits(fitted)
    blends = {each.fold: blend_round(each, ensemble.method) for each in rounds}
    for part in PARTS:
        blended: Rounds = {(str(r.fold),): _apply(blends[r.fold], getattr(r, part)) for r in rounds if getattr(r, part)}
        if blended:
            write_rounds(out / f"{part}.csv", blended, ["fold"])
    alone: Rounds = {(name, str(r.fold)): told for r in rounds for name, told in r.test.items()}
    write_rounds(out / "members.csv", alone, ["member", "fold"])
    _write_summary(out / "ensemble.json", rounds, blends)
    for reason in dict.fromkeys(blend.reason for blend in blends.values()):
        report.say(reason)


def gather_fits(fitted: list[Path]) -> list[RoundFits]:
    """Gather fits by round; raises UserError when a round lacks a member that another has."""
    rounds: dict[int, RoundFits] = {}
    for folder in fitted:
        fit = read_fit(folder)
        found = rounds.setdefault(fit.fold, RoundFits(fit.fold, {}, {}))
        for part in PARTS:
            if (folder / f"{part}.csv").exists():
                getattr(found, part)[fit.label] = read_predictions(folder / f"{part}.csv")
    ordered = [rounds[fold] for fold in sorted(rounds)]
    names = set().union(*(each.test for each in ordered))
    for each in ordered:
        if lacking := sorted(names - each.test.keys()):
            raise UserError(f"round {each.fold} lacks the fit of {', '.join(lacking)}: fit every member in every round")
    return ordered


def blend_round(each: RoundFits, method: str) -> Blend:
    """Choose the weights of a round's members: equal, or fitted on validation where that pays."""
    equal = {name: 1 / len(each.test) for name in each.test}
    if method == "mean":
        return Blend(equal, "the ensemble is the mean of its members")
    if not each.valid:
        return Blend(equal, "the ensemble is the mean of its members: cross-validation chooses nothing")
    if len(equal) == 1:
        return Blend(equal, "the ensemble has one member: there is nothing to weigh")
    return _weigh(each.valid, equal)


def _weigh(valid: dict[str, Predictions], equal: dict[str, float]) -> Blend:
    labels = next(iter(valid.values())).labels
    stack = np.stack([told.probabilities for told in valid.values()]).astype(np.float64)
    fitted = fit_weights(stack, labels)
    alone = {name: measure_log_loss(told.probabilities, labels) for name, told in valid.items()}
    best = min(alone, key=alone.__getitem__)
    loss = measure_log_loss(np.tensordot(fitted, stack, 1), labels)
    figures = f"validation log loss {loss:.4f} against {alone[best]:.4f} of {best}, the best member"
    if loss < alone[best]:
        weights = dict(zip(valid, (round(float(weight), 6) for weight in fitted), strict=True))
        return Blend(weights, f"fitted weights are kept: {figures}")
    return Blend(equal, f"fitted weights are not kept, the mean is used: {figures}")


def fit_weights(stack: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the convex weights of members (members, n, classes) with the lowest log loss.

    Expectation maximisation for mixing shares: each pass multiplies a weight by its member's mean share of the
    probability given to the true class; the problem is convex, so it ends at the one minimum.
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


def _apply(blend: Blend, told: dict[str, Predictions]) -> Predictions:
    first = next(iter(told.values()))
    mixed = sum(blend.weights[name] * one.probabilities.astype(np.float64) for name, one in told.items())
    return Predictions(first.examples, first.labels, np.asarray(mixed, np.float32))


def _write_summary(path: Path, rounds: list[RoundFits], blends: dict[int, Blend]) -> None:
    summary = {
        "mode": "holdout" if rounds[0].valid else "cross_validation",
        "members": sorted(rounds[0].test),
        "rounds": [{"fold": fold, "weights": b.weights, "reason": b.reason} for fold, b in blends.items()],
    }
    path.write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n")
