"""Every network in a domain's folder `members` keeps the contract of a member: it is tested by being there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.learning.checkpoints import save_to_bytes
from tasks.learning.layers import list_layer_groups
from tasks.learning.lesson import Lesson
from tasks.learning.loop import train_network
from tasks.report import Silent
from tests.tasks.problem import NETWORKS, make_problem

pytestmark = pytest.mark.parametrize(("domain", "network"), NETWORKS)
N_CLASSES, N_EXAMPLES = 3, 4


class BreakError(Exception):
    """Ends a training after its first epoch."""


class Breaking(Silent):
    """A report that ends a training once its first checkpoint is written."""

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        raise BreakError


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Such small batches are no work for several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def prepare(root: Path, domain: str, network: str, **values: object) -> tuple[Lesson, nn.Module]:
    """Return a network, and a lesson of few examples and two epochs."""
    lesson, built = make_problem(root, domain, network, **values).prepare()
    train, valid = (replace(part, rows=part.rows[:N_EXAMPLES]) for part in (lesson.parts.train, lesson.parts.valid))
    schedule = lesson.schedule.model_copy(update={"epochs": 2, "batch_size": N_EXAMPLES // 2})
    return replace(lesson, parts=replace(lesson.parts, train=train, valid=valid), schedule=schedule), built


def draw_batch(lesson: Lesson) -> Tensor:
    """Return a prepared batch of two examples."""
    inputs, _ = lesson.parts.train.fetch(torch.arange(2))
    return lesson.transforms.prepare(inputs)


def test_it_turns_its_features_into_finite_logits(tmp_path: Path, domain: str, network: str) -> None:
    lesson, built = prepare(tmp_path, domain, network)
    batch = draw_batch(lesson)
    before = batch.clone()
    with torch.inference_mode():
        logits = built.eval()(batch)
    assert logits.shape == (2, N_CLASSES) and logits.isfinite().all() and torch.equal(batch, before)
    assert not torch.allclose(logits.exp().sum(1), torch.ones(2)), "probabilities, but the loss wants logits"


def test_each_of_its_parameters_is_in_one_layer_group(tmp_path: Path, domain: str, network: str) -> None:
    _, built = prepare(tmp_path, domain, network)
    grouped = [id(p) for group in list_layer_groups(built) for layer in group for p in layer.parameters()]
    assert sorted(grouped) == sorted(id(p) for p in built.parameters())


def test_trained_it_answers_the_same_in_torchscript(tmp_path: Path, domain: str, network: str) -> None:
    lesson, built = prepare(tmp_path, domain, network)
    batch = draw_batch(lesson)
    built.train()(batch).sum().backward()
    script = torch.jit.script(built.eval())
    with torch.inference_mode():
        torch.testing.assert_close(script(batch), built(batch), atol=1e-6, rtol=1e-5)


def test_a_training_that_was_interrupted_ends_with_the_same_bytes(tmp_path: Path, domain: str, network: str) -> None:
    def train(kept: Path, report: Silent) -> bytes:
        lesson, built = prepare(tmp_path, domain, network)
        kept.mkdir(exist_ok=True)
        return save_to_bytes(train_network(built, lesson, lr=1e-3, checkpoints=kept, report=report).weights)

    with pytest.raises(BreakError):
        train(tmp_path / "interrupted", Breaking())
    assert train(tmp_path / "interrupted", Silent()) == train(tmp_path / "whole", Silent())


def test_weights_are_loaded_or_refused(tmp_path: Path, domain: str, network: str) -> None:
    with pytest.raises(UserError, match="weights"):
        prepare(tmp_path, domain, network, weights=str(tmp_path / "gone.pt"))
