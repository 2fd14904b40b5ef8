"""The loop learns, repeats itself exactly, stops when asked to, and says when it cannot go on."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tasks.errors import UserError
from tasks.learning.examples import Stored
from tasks.learning.lesson import Cycle, Lesson
from tasks.learning.loop import Trained, train_network
from tasks.learning.stopping import BestWeights
from tests.tasks.learning.toys import COMPUTE, PLAIN, RecordingReport, list_inputs, make_member, make_toy


def prepare(root: Path, *, mode: str = "holdout", **values: object) -> tuple[Lesson, nn.Module]:
    toy, member = make_toy(root, mode=mode), make_member(**values)
    return member.prepare(COMPUTE, 5, **list_inputs(toy))


def train(root: Path, report: RecordingReport | None = None, *, lr: float = 0.01, **values: object) -> Trained:
    lesson, network = prepare(root, **values)
    kept = root / "kept"
    kept.mkdir(exist_ok=True)
    return train_network(network, lesson, lr=lr, checkpoints=kept, report=report or RecordingReport())


def test_it_learns(tmp_path: Path) -> None:
    trained = train(tmp_path, epochs=12, width=8)
    assert trained.history[-1]["valid_accuracy"] > 0.9
    assert trained.history[-1]["train_loss"] < trained.history[0]["train_loss"]


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not(tmp_path: Path) -> None:
    runs = [train(tmp_path / str(n), seed=seed) for n, seed in enumerate((1, 1, 2))]
    torch.rand(3)
    first, again, other = (run.weights["head.1.weight"] for run in runs)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_where_only_the_head_learns_the_rest_keeps_the_given_weights(tmp_path: Path) -> None:
    _, given = prepare(tmp_path / "given", seed=3)
    torch.save(given.state_dict(), tmp_path / "given.pt")
    trained = train(tmp_path / "fit", weights=str(tmp_path / "given.pt"), train_layers="head", ema_decay=0.0)
    moved = {name for name, value in given.state_dict().items() if not torch.equal(value, trained.weights[name])}
    assert moved == {"head.1.weight", "head.1.bias"}


def test_the_global_random_state_is_left_as_it_was(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_cross_validation_sees_no_validation_and_trains_every_epoch(tmp_path: Path) -> None:
    trained = train(tmp_path, mode="cross_validation", epochs=5, patience=1)
    assert len(trained.history) == 5
    assert "valid_loss" not in trained.history[0]
    last = torch.load(tmp_path / "kept/training.pt", weights_only=True)["average"]
    assert all(torch.equal(value, last[f"module.{name}"]) for name, value in trained.weights.items())


def test_stopping_early_and_choosing_the_best_weights_read_no_test_data(tmp_path: Path) -> None:
    lesson, network = prepare(tmp_path, epochs=3, patience=1)
    (tmp_path / "kept").mkdir()
    blind: Any = replace(lesson.parts, test=None)
    report = RecordingReport()
    train_network(network, replace(lesson, parts=blind), lr=0.01, checkpoints=tmp_path / "kept", report=report)
    assert "valid_loss" in report.figures[0]


def test_figures_are_reported_once_an_epoch(tmp_path: Path) -> None:
    report = RecordingReport()
    train(tmp_path, report, epochs=3)
    names = {"epoch", "lr", "train_loss", "valid_loss", "valid_accuracy", "examples_per_s", "input_share"}
    assert [set(figures) for figures in report.figures] == [names] * 3


def test_the_one_cycle_rises_to_the_peak_and_ends_near_zero(tmp_path: Path) -> None:
    rates = [row["lr"] for row in train(tmp_path, epochs=10, lr=0.02).history]
    assert rates.index(max(rates)) in (2, 3)
    assert max(rates) <= 0.02 and rates[-1] < 0.001


def test_trainings_that_share_a_cycle_have_its_rates_between_them(tmp_path: Path) -> None:
    def read_rates(name: str, epochs: int, cycle: Cycle | None) -> list[float]:
        lesson, network = prepare(tmp_path / name, epochs=epochs)
        (tmp_path / name / "kept").mkdir()
        lesson = replace(lesson, cycle=cycle)
        trained = train_network(
            network, lesson, lr=0.02, checkpoints=tmp_path / name / "kept", report=RecordingReport()
        )
        return [row["lr"] for row in trained.history]

    parts = read_rates("first", 3, Cycle(0, 8)) + read_rates("second", 5, Cycle(3, 8))
    assert parts == pytest.approx(read_rates("whole", 8, None))


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_what_to_try(tmp_path: Path, poison: float) -> None:
    lesson, network = prepare(tmp_path)
    with torch.no_grad():
        network.get_parameter("head.1.bias").fill_(poison)
    with pytest.raises(UserError, match=r"in epoch 1 .*lr to a lower rate.*precision fp32"):
        train_network(network, lesson, lr=0.01, checkpoints=tmp_path, report=RecordingReport())
    assert not list(tmp_path.glob("*.pt"))


def test_early_stopping_says_so_and_the_best_weights_count(tmp_path: Path) -> None:
    report = RecordingReport()
    trained = train(tmp_path, report, epochs=40, patience=3, lr=0.5, ema_decay=0.0, **PLAIN)
    losses = [row["valid_loss"] for row in trained.history]
    assert len(losses) < 40 and len(losses) == losses.index(min(losses)) + 4
    assert "3 epochs without a better validation loss" in report.messages[0]


def test_best_weights_are_a_copy_of_those_with_the_lowest_loss() -> None:
    best, weights = BestWeights(patience=2), {"w": torch.zeros(1)}
    for loss in (3.0, 1.0, 2.0, 2.5):
        weights["w"].fill_(loss)
        best.offer(loss, weights)
    assert best.weights is not None and best.weights["w"] == 1.0
    assert best.exhausted


@pytest.mark.parametrize(("count", "batch_size", "sizes"), [(36, 35, [18, 18]), (36, 16, [12] * 3), (36, 36, [36])])
def test_no_batch_is_a_leftover(tmp_path: Path, count: int, batch_size: int, sizes: list[int]) -> None:
    train_part = prepare(tmp_path)[0].parts.train
    assert len(train_part) == count
    batches = list(train_part.shuffled(batch_size, torch.Generator().manual_seed(0)))
    assert [len(labels) for _, labels in batches] == sizes
    seen = torch.cat([labels for _, labels in batches]).bincount()
    assert seen.tolist() == [12, 12, 12]


def test_features_stay_on_disk(tmp_path: Path) -> None:
    features = prepare(tmp_path)[0].parts.train.features
    assert isinstance(features, Stored) and features.features.dtype == np.float16
    assert features[torch.tensor([2, 0])].dtype == torch.float16


def test_one_epoch_of_one_batch_works(tmp_path: Path) -> None:
    assert len(train(tmp_path, epochs=1, batch_size=36).history) == 1
