"""The ensemble: the members' probabilities, averaged within each round, with one temperature for all rounds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.errors import UserError
from tasks.learning.fitted import read_fit
from tasks.learning.predictions import Predictions, join_predictions, read_predictions, write_rounds
from tasks.report import Report
from tasks.section import Section

if TYPE_CHECKING:
    from tasks.learning.script import Assembled, Voter

PARTS = ("valid", "test")
STEPS = 50  # of the selection, so a weight is a multiple of 1/50 or coarser
SMALLEST = 1e-9  # probabilities below it count as this, because the logarithm of 0 is infinite
TEMPERATURES = (0.1, 10.0)  # the range that is searched
Rounds = dict[tuple[str, ...], Predictions]


class Ensemble(Section):
    """How the members are combined; each domain names the module that exports them as one model."""

    script: ClassVar[str]
    """The module is imported by name, and only for the export, because it imports torch."""

    method: Literal["mean", "fitted"] = Field(
        description="mean; or fitted: weights selected on the validation part, never worse there than the best member"
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


@dataclass(frozen=True)
class Temperature:
    """The number by which the logarithms of the probabilities are divided, and the reason for it."""

    value: float
    reason: str


def build_ensemble(fitted: list[Path], ensemble: Ensemble, *, out: Path, report: Report) -> None:
    """Combine the predictions of each round's members, and calibrate them by a temperature.

    Writes `ensemble.json` (members, weights of each round, temperature, and the reasons), `test.csv` and, if there is
    a validation part, `valid.csv` (fold, example, label, probabilities), and `members.csv`, each member's predictions
    of the test part.
    """
    rounds = gather_fits(fitted)
    blends = {each.fold: blend_round(each, ensemble.method) for each in rounds}
    blended: dict[str, Rounds] = {
        part: {(str(r.fold),): _apply(blends[r.fold], getattr(r, part)) for r in rounds if getattr(r, part)}
        for part in PARTS
    }
    temperature = choose_temperature(list(blended["valid"].values()))
    for part in PARTS:
        if blended[part]:
            scaled = {key: _scale(predictions, temperature.value) for key, predictions in blended[part].items()}
            write_rounds(out / f"{part}.csv", scaled, ["fold"])
    single: Rounds = {(name, str(r.fold)): predictions for r in rounds for name, predictions in r.test.items()}
    write_rounds(out / "members.csv", single, ["member", "fold"])
    _write_summary(out / "ensemble.json", rounds, blends, temperature)
    for reason in dict.fromkeys([*(blend.reason for blend in blends.values()), temperature.reason]):
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
    """Choose the weights of a round's members: equal, or selected on the valid part."""
    equal = {name: 1 / len(each.test) for name in each.test}
    if method == "mean":
        return Blend(equal, "the ensemble is the mean of its members")
    if not each.valid:
        return Blend(
            equal, "the ensemble is the mean of its members: there is no valid part, to which weights could be fitted"
        )
    if len(equal) == 1:
        return Blend(equal, "the ensemble has a single member, so there are no weights to fit")
    return _fit_blend(each.valid)


def _fit_blend(valid: dict[str, Predictions]) -> Blend:
    labels = next(iter(valid.values())).labels
    stack = np.stack([predictions.probabilities for predictions in valid.values()]).astype(np.float64)
    weights = select_weights(stack, labels)
    best = find_best(stack, labels)
    figures = [
        f"{(each.argmax(1) == labels).mean():.1%} and {measure_log_loss(each, labels):.4f}"
        for each in (np.tensordot(weights, stack, 1), stack[best])
    ]
    unused = [name for name, weight in zip(valid, weights, strict=True) if not weight]
    left_out = f"; no weight for {', '.join(unused)}" if unused else ""
    return Blend(
        {name: round(float(weight), 6) for name, weight in zip(valid, weights, strict=True)},
        f"fitted weights: validation accuracy and log loss {figures[0]}, against {figures[1]} of {list(valid)[best]}, "
        f"the best member{left_out}",
    )


def select_weights(stack: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return convex weights of members (members, n, classes), none of them needed for members that do not help.

    Greedy selection with replacement (Caruana et al. 2004, "Ensemble Selection from Libraries of Models"): from the
    best member on, each step adds the member with which the mean has the lowest log loss. Returned are the weights of
    the step with the lowest log loss among those that make no more mistakes than the best member.
    """
    right = stack[:, np.arange(len(labels)), labels]
    counts = np.eye(len(stack))[find_best(stack, labels)]
    fewest, lowest, chosen = _count_mistakes(counts, stack, labels), np.inf, counts
    for _ in range(STEPS):
        loss = -np.log((counts @ right / counts.sum()).clip(SMALLEST)).mean()
        if loss < lowest and _count_mistakes(counts, stack, labels) <= fewest:
            lowest, chosen = loss, counts
        losses = -np.log(((counts @ right + right) / (counts.sum() + 1)).clip(SMALLEST)).mean(1)
        counts = counts + np.eye(len(stack))[losses.argmin()]
    return chosen / chosen.sum()


def find_best(stack: NDArray[np.float64], labels: NDArray[np.int64]) -> int:
    """Return the index of the most accurate member; of equal ones that with the lowest log loss."""
    ranks = [((each.argmax(1) != labels).sum(), measure_log_loss(each, labels)) for each in stack]
    return min(range(len(stack)), key=ranks.__getitem__)


def _count_mistakes(counts: NDArray[np.float64], stack: NDArray[np.float64], labels: NDArray[np.int64]) -> int:
    return int((np.tensordot(counts, stack, 1).argmax(1) != labels).sum())


def choose_temperature(valid: list[Predictions]) -> Temperature:
    """Choose the temperature of the ensemble: 1, or fitted on its predictions of the validation part."""
    if not valid:
        return Temperature(1.0, "the temperature is 1: there is no valid part, to which it could be fitted")
    joined = join_predictions(valid)
    value = round(fit_temperature(joined.probabilities, joined.labels), 4)
    before, after = (measure_log_loss(each.probabilities, joined.labels) for each in (joined, _scale(joined, value)))
    return Temperature(
        value,
        f"temperature {value:.2f}, fitted on the valid part: log loss {after:.4f}, with temperature 1 {before:.4f}",
    )


def fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature with the lowest log loss (Guo et al. 2017, "On Calibration of Modern Neural Networks").

    A target is 1 / (n + 2) short of 1, as in Platt 1999: else n predictions without a mistake would ask for 0.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logs, short = np.log(probabilities.clip(SMALLEST).astype(np.float64)), 1 / (len(labels) + 2)
    targets = np.full(logs.shape, short / (logs.shape[1] - 1))
    targets[np.arange(len(labels)), labels] = 1 - short
    found = minimize_scalar(
        lambda log_t: -(targets * log_softmax(logs / np.exp(log_t), axis=1)).sum(1).mean(),
        bounds=np.log(TEMPERATURES),
        method="bounded",
    )
    return float(np.exp(found.x))


def scale_probabilities(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return probabilities (n, classes) at a temperature: their logarithms, divided by it, as logits."""
    powers = probabilities.clip(SMALLEST).astype(np.float64) ** (1 / temperature)
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def measure_log_loss(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the mean negative log of the probability given to the true class."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(right.clip(SMALLEST)).mean())


def _apply(blend: Blend, members: dict[str, Predictions]) -> Predictions:
    first = next(iter(members.values()))
    mean = sum(blend.weights[name] * member.probabilities.astype(np.float64) for name, member in members.items())
    return Predictions(first.examples, first.labels, np.asarray(mean, np.float32))


def _scale(predictions: Predictions, temperature: float) -> Predictions:
    return replace(predictions, probabilities=scale_probabilities(predictions.probabilities, temperature))


def _write_summary(path: Path, rounds: list[RoundFits], blends: dict[int, Blend], temperature: Temperature) -> None:
    summary = {
        "mode": "holdout" if rounds[0].valid else "cross_validation",
        "members": sorted(rounds[0].test),
        "rounds": [{"fold": fold, "weights": b.weights, "reason": b.reason} for fold, b in blends.items()],
        "temperature": temperature.value,
        "temperature_reason": temperature.reason,
    }
    path.write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n")
