"""The ensemble is what it says it is, and what is fitted is kept only where it pays."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.learning.ensemble import Ensemble, build_ensemble, fit_weights, measure_log_loss
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
    assert not (tmp_path / "out" / "valid.csv").exists()


def test_fitted_weights_are_kept_when_they_beat_the_best_member(tmp_path: Path) -> None:
    members = [write_member(tmp_path, name, 5, draw(2, seed), draw(2, seed + 9)) for name, seed in (("a", 0), ("b", 1))]
    summary, report = build(members, "fitted", tmp_path / "out")
    weights = summary["rounds"][0]["weights"]
    assert sum(weights.values()) == pytest.approx(1) and min(weights.values()) > 0.01
    assert "fitted weights are used: validation log loss" in summary["rounds"][0]["reason"]
    assert report.messages == [summary["rounds"][0]["reason"]]


def test_fitted_weights_are_not_kept_when_one_member_is_all_that_counts(tmp_path: Path) -> None:
    perfect = np.eye(3, dtype=np.float32)[LABELS]
    wrong = np.eye(3, dtype=np.float32)[(LABELS + 1) % 3]
    members = [write_member(tmp_path, "a", 5, perfect, perfect), write_member(tmp_path, "b", 5, wrong, wrong)]
    summary, _ = build(members, "fitted", tmp_path / "out")
    assert summary["rounds"][0]["weights"] == {"a": 0.5, "b": 0.5}
    assert "not used" in summary["rounds"][0]["reason"]


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


def test_fitted_weights_are_the_minimum_of_the_log_loss() -> None:
    stack = np.stack([draw(1.0, 0), draw(1.8, 1), draw(0.2, 2)]).astype(np.float64)
    weights = fit_weights(stack, LABELS)
    lowest = measure_log_loss(np.tensordot(weights, stack, 1), LABELS)
    rng = np.random.default_rng(0)
    for other in rng.dirichlet(np.ones(3), 500):
        assert lowest <= measure_log_loss(np.tensordot(other, stack, 1), LABELS) + 1e-6


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
