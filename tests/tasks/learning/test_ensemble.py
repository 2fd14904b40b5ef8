"""The ensemble is what it says it is, and its fitted weights and temperature are never worse than none."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.learning.ensemble import (
    Ensemble,
    build_ensemble,
    find_best,
    fit_temperature,
    measure_log_loss,
    scale_probabilities,
    select_weights,
)
from tasks.learning.fitted import Fit, write_fit
from tasks.learning.predictions import Predictions, read_rounds, write_predictions
from tests.tasks.learning.toys import RecordingReport

LABELS = np.arange(40) % 3


def draw(skill: float, seed: int, labels: np.ndarray = LABELS) -> np.ndarray:
    """Return probabilities that favour the true class the more, the greater the skill."""
    logits = np.random.default_rng(seed).normal(0, 1.5, (len(labels), 3))
    logits[np.arange(len(labels)), labels] += skill
    shares = np.exp(logits)
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32)


def write_member(root: Path, member: str, fold: int, valid: np.ndarray | None, test: np.ndarray) -> Path:
    folder = root / f"{member}-{fold}"
    folder.mkdir()
    write_fit(folder, Fit(member, fold, 3, (4, 5)))
    for part, probabilities in (("valid", valid), ("test", test)):
        if probabilities is not None:
            write_predictions(folder / f"{part}.csv", Predictions(np.arange(40) + 40 * fold, LABELS, probabilities))
    return folder


def build(fitted: list[Path], method: str, out: Path) -> tuple[dict, RecordingReport]:
    out.mkdir()
    report = RecordingReport()
    build_ensemble(fitted, Ensemble.model_validate({"method": method, "metric": "accuracy"}), out=out, report=report)
    return json.loads((out / "ensemble.json").read_text()), report


def test_the_mean_is_the_mean_of_probabilities(tmp_path: Path) -> None:
    a, b = draw(1, 0), draw(2, 1)
    summary, _ = build(
        [write_member(tmp_path, "a", 1, None, a), write_member(tmp_path, "b", 1, None, b)], "mean", tmp_path / "out"
    )
    mixed = read_rounds(tmp_path / "out" / "test.csv", ["fold"])[("1",)]
    np.testing.assert_allclose(mixed.probabilities, (a + b) / 2, atol=2e-6)
    assert summary["mode"] == "cross_validation"
    assert summary["rounds"][0]["weights"] == {"a": 0.5, "b": 0.5}
    assert summary["temperature"] == 1 and "there is no valid part" in summary["temperature_reason"]
    assert not (tmp_path / "out" / "valid.csv").exists()


def test_members_that_help_share_the_weights(tmp_path: Path) -> None:
    members = [write_member(tmp_path, name, 5, draw(2, seed), draw(2, seed + 9)) for name, seed in (("a", 0), ("b", 1))]
    summary, report = build(members, "fitted", tmp_path / "out")
    weights = summary["rounds"][0]["weights"]
    assert sum(weights.values()) == pytest.approx(1) and min(weights.values()) > 0.01
    assert "fitted weights: validation accuracy and log loss" in summary["rounds"][0]["reason"]
    assert report.messages == [summary["rounds"][0]["reason"], summary["temperature_reason"]]


def test_a_member_that_does_not_help_gets_no_weight_and_is_named(tmp_path: Path) -> None:
    right, wrong = draw(3, 0), np.eye(3, dtype=np.float32)[(LABELS + 1) % 3]
    members = [write_member(tmp_path, "a", 5, right, right), write_member(tmp_path, "b", 5, wrong, wrong)]
    summary, _ = build(members, "fitted", tmp_path / "out")
    assert summary["rounds"][0]["weights"] == {"a": 1.0, "b": 0.0}
    assert "no weight for b" in summary["rounds"][0]["reason"]


@pytest.mark.parametrize(
    ("members", "valid", "reason"),
    [(2, False, "there is no valid part"), (1, True, "a single member, so there are no weights to fit")],
)
def test_where_nothing_can_be_fitted_the_mean_is_used_and_it_says_so(
    tmp_path: Path, members: int, valid: bool, reason: str
) -> None:
    fitted = [write_member(tmp_path, f"m{n}", 5, draw(1, n) if valid else None, draw(1, n)) for n in range(members)]
    summary, _ = build(fitted, "fitted", tmp_path / "out")
    assert reason in summary["rounds"][0]["reason"]


@pytest.mark.parametrize("seed", range(20))
def test_selected_weights_are_never_worse_than_the_best_member(seed: int) -> None:
    skills = np.random.default_rng(seed).uniform(0, 2.5, 4)
    stack = np.stack([draw(skill, 10 * seed + n) for n, skill in enumerate(skills)]).astype(np.float64)
    mean, best = np.tensordot(select_weights(stack, LABELS), stack, 1), stack[find_best(stack, LABELS)]
    assert measure_log_loss(mean, LABELS) <= measure_log_loss(best, LABELS)
    accuracies = [(each.argmax(1) == LABELS).mean() for each in stack]
    assert (mean.argmax(1) == LABELS).mean() >= max(accuracies)


def test_selected_weights_come_close_to_the_lowest_log_loss() -> None:
    stack = np.stack([draw(1.0, 0), draw(1.8, 1), draw(0.2, 2)]).astype(np.float64)
    selected = measure_log_loss(np.tensordot(select_weights(stack, LABELS), stack, 1), LABELS)
    others = np.random.default_rng(0).dirichlet(np.ones(3), 500)
    assert selected < min(measure_log_loss(np.tensordot(other, stack, 1), LABELS) for other in others) + 0.01


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_of_predictions_is_found(temperature: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (shares.cumsum(1) < rng.uniform(size=(4000, 1))).sum(1)
    given = scale_probabilities(shares, 1 / temperature)
    assert fit_temperature(given, labels) == pytest.approx(temperature, rel=0.1)


def test_a_faultless_validation_part_does_not_make_predictions_certain() -> None:
    assert scale_probabilities(draw(6, 0), fit_temperature(draw(6, 0), LABELS)).max() < 0.9999


def test_predictions_are_calibrated_and_their_order_stays(tmp_path: Path) -> None:
    unsure = scale_probabilities(draw(3, 0), 5.0)
    summary, _ = build([write_member(tmp_path, "a", 5, unsure, unsure)], "fitted", tmp_path / "out")
    blended = read_rounds(tmp_path / "out" / "test.csv", ["fold"])[("5",)]
    assert summary["temperature"] < 0.5
    assert (blended.probabilities.argmax(1) == unsure.argmax(1)).all()
    assert measure_log_loss(blended.probabilities, LABELS) < measure_log_loss(unsure, LABELS) / 2
    np.testing.assert_allclose(blended.probabilities, scale_probabilities(unsure, summary["temperature"]), atol=1e-4)


def test_a_member_missing_from_a_round_is_named(tmp_path: Path) -> None:
    fitted = [write_member(tmp_path, "a", 1, None, draw(1, 0)), write_member(tmp_path, "a", 2, None, draw(1, 0))]
    fitted.append(write_member(tmp_path, "b", 1, None, draw(1, 1)))
    with pytest.raises(UserError, match="the round of fold 2 has no fit of b"):
        build(fitted, "mean", tmp_path / "out")


def test_each_members_own_rows_are_kept_by_round(tmp_path: Path) -> None:
    fitted = [write_member(tmp_path, name, fold, None, draw(1, fold)) for name in "ab" for fold in (2, 1)]
    build(fitted, "mean", tmp_path / "out")
    blocks = read_rounds(tmp_path / "out" / "members.csv", ["member", "fold"])
    assert set(blocks) == {("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")}
    np.testing.assert_allclose(blocks[("b", "2")].probabilities, draw(1, 2), atol=1e-6)
