"""The range test finds a rate that trains, and leaves no trace."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.audio.members.melnet import MelNet
from tasks.errors import UserError
from tasks.learning.lr_finder import Curve, has_diverged, run_range_test, smooth, suggest_lr
from tasks.report import Silent
from tests.tasks.learning.toys import COMPUTE, list_inputs, make_member, make_toy


def lesson_and_network(root: Path, **values: object):
    toy, member = make_toy(root), make_member(**values)
    return member.prepare(COMPUTE, 5, **list_inputs(toy))


def test_weights_mode_and_random_state_are_as_before(tmp_path: Path) -> None:
    lesson, network = lesson_and_network(tmp_path)
    network.eval()
    weights, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    run_range_test(network, lesson, report=Silent(), steps=12)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_three_batches_are_enough(tmp_path: Path) -> None:
    lesson, network = lesson_and_network(tmp_path, batch_size=12)
    assert lesson.parts.train.count_batches(12) == 3
    curve = run_range_test(network, lesson, report=Silent(), steps=40)
    assert len(curve.lr) > 10
    assert 1e-5 < suggest_lr(curve, 3) < 1


def test_the_same_seed_gives_the_same_curve(tmp_path: Path) -> None:
    curves = [
        run_range_test(network, lesson, report=Silent(), steps=10)
        for lesson, network in [lesson_and_network(tmp_path)] * 2
    ]
    np.testing.assert_array_equal(curves[0].loss, curves[1].loss)


def make_curve(smoothed: list[float]) -> Curve:
    values = np.array(smoothed)
    return Curve(np.geomspace(1e-4, 1, len(values)), values, values)


def test_the_steepest_point_is_suggested_not_the_lowest() -> None:
    curve = make_curve([2, 2, 2, 1.9, 1.2, 0.6, 0.5, 0.45, 0.44, 3])
    assert suggest_lr(curve, 3) == pytest.approx(curve.lr[4])


@pytest.mark.parametrize("start", [9, 0.4])
def test_a_high_or_low_start_is_ignored(start: float) -> None:
    curve = make_curve([start, start, 2, 2, 1.9, 1.2, 0.6, 0.5, 0.45, 0.44, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8])
    assert suggest_lr(curve, 3) == pytest.approx(curve.lr[5])


@pytest.mark.parametrize("smoothed", [[1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 1, 1, 1, 1], [2, 1]])
def test_a_loss_that_does_not_fall_is_told(smoothed: list[float]) -> None:
    with pytest.raises(UserError, match="the loss never fell"):
        suggest_lr(make_curve(smoothed), 2)


def test_smoothing_is_corrected_for_its_start() -> None:
    np.testing.assert_allclose(smooth(np.full(5, 3.0)), 3.0)


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [([1.0, 1.0], False), ([1.0, float("nan")], True), ([1.0, float("inf")], True), ([1.0, 0.5] + [9.0] * 9, True)],
)
def test_it_stops_when_the_loss_runs_away(losses: list[float], diverged: bool) -> None:
    assert has_diverged(losses) is diverged


def test_a_batch_larger_than_the_part_is_told(tmp_path: Path) -> None:
    lesson, _ = lesson_and_network(tmp_path, batch_size=64)
    with pytest.raises(UserError, match="batch_size is 64, but the training part has only 36"):
        run_range_test(MelNet(16, 3, width=4, dropout=0.0), lesson, report=Silent())


def test_noise_hardly_moves_the_suggestion() -> None:
    rates = np.geomspace(1e-5, 1, 80)
    loss = 2.0 - 1.2 / (1 + (1e-3 / rates) ** 2) + (rates / 0.1) ** 2
    suggestions = []
    for seed in range(20):
        noisy = loss + np.random.default_rng(seed).normal(0, 0.15, len(rates))
        suggestions.append(suggest_lr(Curve(rates, noisy, smooth(noisy)), 3))
    assert max(suggestions) / min(suggestions) < 4
    assert 3e-4 < np.median(suggestions) < 3e-3  # steepest at 1e-3


def test_a_network_that_has_learnt_gets_a_tenth_of_what_it_bears() -> None:
    rates = np.geomspace(1e-5, 1, 100)
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.1, len(rates))
        loss = 1.2 * (1 + rates / 0.02) + noise
        # Five percent more at 1e-3; smoothing over ten steps sees it up to three times later, noise a little earlier.
        assert 0.5e-4 < suggest_lr(Curve(rates, loss, smooth(loss)), 10) < 5e-4
