"""Rare classes count as much as common ones, in the loss or by being drawn more often, and a stop changes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.learning.balance import draw_evenly, weigh_classes
from tasks.learning.device import open_device
from tasks.learning.lesson import Lesson
from tasks.learning.loop import train_network
from tasks.learning.step import Step
from tasks.learning.transforms import Transforms
from tests.tasks.learning.toys import COMPUTE, RecordingReport, list_inputs, make_member, make_toy

RARE = torch.tensor([0] * 90 + [1] * 7 + [3] * 3)


def test_all_classes_weigh_the_same_together_and_an_example_1_on_average() -> None:
    weights = weigh_classes(RARE, 5)
    assert torch.allclose(weights * RARE.bincount(minlength=5), torch.tensor([100 / 3, 100 / 3, 0, 100 / 3, 0]))
    assert float(weights[RARE].mean()) == pytest.approx(1.0)


@pytest.mark.parametrize("labels", [RARE, RARE[:97], RARE[80:], torch.zeros(5, dtype=torch.long)], ids=range(4))
def test_each_class_is_drawn_equally_often_and_no_example_again_before_all_others(labels: Tensor) -> None:
    drawn = draw_evenly(labels, torch.Generator().manual_seed(1))
    counts = labels[drawn].bincount()
    times = drawn.bincount(minlength=len(labels))
    assert len(drawn) == len(labels)
    assert counts[counts > 0].max() - counts[counts > 0].min() <= 1
    for label in labels.unique():
        of_class = times[labels == label]
        assert of_class.max() - of_class.min() <= 1
    assert not torch.equal(drawn, drawn.sort().values) or len(labels) == 5


def measure_loss(balance: str, targets: Tensor, logits: Tensor) -> Tensor:
    """Return the loss of soft targets as the step of a training measures it, classes weighing 1 and 3."""
    member = make_member(balance=balance, label_smoothing=0.1)
    transforms = Transforms(make_targets=lambda inputs, labels, n_classes: targets)
    weights = None if balance == "none" else torch.tensor([1.0, 3.0])
    step = Step(nn.Identity(), member, open_device(COMPUTE), transforms, 2, weights)
    return step.measure_loss((logits, targets.argmax(1)), torch.Generator())


def test_a_mixed_target_weighs_as_its_parts_do() -> None:
    logits, hard = torch.tensor([[0.3, -1.0], [2.0, 0.5]]), torch.eye(2)
    smooth = [F.cross_entropy(logits, hard[[label] * 2], label_smoothing=0.1, reduction="none") for label in (0, 1)]
    assert torch.allclose(measure_loss("weights", hard, logits), (smooth[0][0] + 3 * smooth[1][1]) / 2)
    mixed = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    expected = (mixed[:, 0] * smooth[0] + 3 * mixed[:, 1] * smooth[1]).mean()
    assert torch.allclose(measure_loss("weights", mixed, logits), expected)
    for balance in ("none", "oversample"):
        assert torch.allclose(measure_loss(balance, mixed, logits), (mixed * torch.stack(smooth, 1)).sum(1).mean())


def prepare(root: Path, **values: object) -> tuple[Lesson, nn.Module]:
    """Return a lesson whose class 2 has two examples, beside 12 of each other class, and its network."""
    lesson, network = make_member(**values).prepare(COMPUTE, 5, **list_inputs(make_toy(root)))
    train = lesson.parts.train
    rows = torch.cat([train.rows[train.labels[train.rows] != 2], train.rows[train.labels[train.rows] == 2][:2]])
    return replace(lesson, parts=replace(lesson.parts, train=replace(train, rows=rows))), network


@pytest.mark.parametrize(
    ("balance", "counts"), [("none", [2, 12, 12]), ("weights", [2, 12, 12]), ("oversample", [8, 9, 9])]
)
def test_an_epoch_draws_classes_as_the_recipe_says(tmp_path: Path, balance: str, counts: list[int]) -> None:
    lesson, _ = prepare(tmp_path, balance=balance)
    seen = torch.cat([labels for _, labels in lesson.shuffle(torch.Generator().manual_seed(0))]).bincount()
    assert sorted(seen.tolist()) == counts
    weights = lesson.weigh_classes()
    assert (None if weights is None else pytest.approx(float(weights[2] / weights[0]))) == (
        None if balance == "none" else 6
    )


class BreakError(Exception):
    """Ends a training after its first epoch."""


class Breaking(RecordingReport):
    """A report that ends a training once its first checkpoint is written."""

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        raise BreakError


@pytest.mark.parametrize("balance", ["weights", "oversample"])
def test_a_balanced_training_that_was_stopped_ends_with_the_same_bytes(tmp_path: Path, balance: str) -> None:
    values = {"balance": balance, "epochs": 3}
    trained = []
    for name in ("stopped", "undisturbed"):
        lesson, network = prepare(tmp_path / name, **values)
        kept = tmp_path / name / "kept"
        kept.mkdir()
        if name == "stopped":
            with pytest.raises(BreakError):
                train_network(network, lesson, lr=0.01, checkpoints=kept, report=Breaking())
            lesson, network = prepare(tmp_path / name, **values)
        trained.append(train_network(network, lesson, lr=0.01, checkpoints=kept, report=RecordingReport()))
    assert all(torch.equal(value, trained[1].weights[name]) for name, value in trained[0].weights.items())
    assert trained[0].history == trained[1].history


def test_best_weights_are_chosen_by_the_loss_that_is_trained(tmp_path: Path) -> None:
    lesson, network = prepare(tmp_path, balance="weights", epochs=1, ema_decay=0.0)
    kept = tmp_path / "kept"
    kept.mkdir()
    trained = train_network(network, lesson, lr=0.01, checkpoints=kept, report=RecordingReport())
    network.load_state_dict(trained.weights)
    assert lesson.parts.valid is not None
    inputs, labels = lesson.parts.valid.fetch(torch.arange(len(lesson.parts.valid)))
    with torch.no_grad():
        loss = F.cross_entropy(network.eval()(inputs.float()), labels, lesson.weigh_classes())
    assert trained.history[0]["valid_loss"] == pytest.approx(float(loss), rel=1e-4)
