"""The range test finds a rate that trains, and leaves no trace."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.audio.members.melnet import MelNet
from tasks.errors import UserError
from tasks.learning.lr_finder import Curve, choose_lr, find_limit, has_diverged, run_range_test, smooth
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
    assert 1e-5 < find_limit(curve, 3) < 1


def test_the_same_seed_gives_the_same_curve(tmp_path: Path) -> None:
    curves = [
        run_range_test(network, lesson, report=Silent(), steps=10)
        for lesson, network in [lesson_and_network(tmp_path)] * 2
    ]
    np.testing.assert_array_equal(curves[0].loss, curves[1].loss)


RATES = np.geomspace(1e-5, 1, 100)
RISE = (RATES / 0.1) ** 2  # at a rate of 0.04 a tenth of the loss of guessing one of four classes


@pytest.mark.parametrize(
    ("fall", "limit"),
    [
        (2.0 - 1.6 / (1 + (3e-4 / RATES) ** 2), 0.04),
        (np.full(100, 0.4), 0.04),  # a network that was trained before: its loss can only rise
        (4.0 * np.exp(-RATES / 2e-5) + 0.4, 0.04),  # a high start says nothing about the limit
    ],
    ids=["fresh", "trained", "high start"],
)
def test_noise_hardly_moves_the_limit(fall: np.ndarray, limit: float) -> None:
    found = []
    for seed in range(20):
        loss = fall + RISE + np.random.default_rng(seed).normal(0, 0.05, len(RATES))
        found.append(find_limit(Curve(RATES, loss, smooth(loss)), 4))
    assert np.std(np.log10(found)) < 0.15
    assert limit / 2 < np.median(found) < limit * 2


def test_a_loss_that_never_rises_has_the_highest_rate_as_its_limit() -> None:
    loss = np.linspace(2, 1, 100)
    assert find_limit(Curve(RATES, loss, smooth(loss)), 4) == 1.0


def test_the_rate_moves_half_as_far_as_the_limit() -> None:
    assert choose_lr(0.4) / choose_lr(0.004) == pytest.approx(10)


def test_a_loss_that_is_not_finite_at_low_rates_is_refused() -> None:
    with pytest.raises(UserError, match=r"not finite after 2 steps .*check the features"):
        find_limit(Curve(RATES[:2], np.ones(2), smooth(np.ones(2))), 4)


def test_smoothing_keeps_a_constant_and_clips_a_runaway() -> None:
    np.testing.assert_allclose(smooth(np.full(5, 3.0)), 3.0)
    assert smooth(np.array([1.0] * 50 + [1e9])).max() < 3.0


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [([1.0, 1.0], False), ([1.0, float("nan")], True), ([1.0, float("inf")], True), ([1.0] * 10 + [9.0] * 9, True)],
)
def test_it_stops_when_the_loss_runs_away(losses: list[float], diverged: bool) -> None:
    assert has_diverged(losses) is diverged


def test_a_batch_larger_than_the_part_is_told(tmp_path: Path) -> None:
    lesson, _ = lesson_and_network(tmp_path, batch_size=64)
    with pytest.raises(UserError, match="batch_size is 64, but the training part has only 36"):
        run_range_test(MelNet(16, 3, width=4, dropout=0.0), lesson, report=Silent())
