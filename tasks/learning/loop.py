"""The training loop that every domain uses."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from tasks.errors import UserError
from tasks.learning.activations import watch_layers
from tasks.learning.averaging import average_weights
from tasks.learning.checkpoints import read_checkpoint, write_checkpoint
from tasks.learning.compute import Arithmetic
from tasks.learning.examples import Examples, check_batch_size
from tasks.learning.group import Group
from tasks.learning.layers import choose_learning, list_layer_groups, set_training
from tasks.learning.lesson import Cycle, Lesson
from tasks.learning.optimiser import make_optimiser
from tasks.learning.randomness import isolate_randomness, make_generator
from tasks.learning.recipe import Recipe, Schedule
from tasks.learning.step import Step
from tasks.learning.stopping import BestWeights
from tasks.learning.throughput import Throughput
from tasks.report import Report

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Phase:
    """Epochs in which the same number of layer groups learns, counted from the head, with one learning-rate cycle."""

    first: int
    epochs: int
    learning: int


@dataclass(frozen=True)
class Trained:
    """The final weights, on the cpu, the figures and activations of every epoch, and how they were computed."""

    weights: dict[str, Tensor]
    history: list[dict[str, float]]
    activations: list[dict[str, Any]]
    arithmetic: Arithmetic


def train_network(
    network: nn.Module, lesson: Lesson, *, lr: float, checkpoints: Path, report: Report, group: Group | None = None
) -> Trained:
    """Train a network with its recipe's optimiser and a one-cycle schedule whose peak is `lr`.

    After each epoch a checkpoint is written to `checkpoints`. Called again after a kill, or after `report` stopped it
    at some batch, the training continues from there and ends with the same weights. Random numbers depend only on
    (seed, epoch), so no generator state is stored. Raises UserError when the loss is no longer finite, and when the
    checkpoint was computed on other hardware. Each process of a `group` calls it, and gets the same weights; only the
    first writes checkpoints.
    """
    check_batch_size(lesson.parts.train, lesson.schedule.batch_size)
    if checkpoint := read_checkpoint(checkpoints, report):
        device = lesson.device.resume(Arithmetic(**checkpoint["arithmetic"]), checkpoints)
        lesson = replace(lesson, device=device)
    learner = Learner(network, lesson, lr, report, group)
    first = learner.load_state_dict(checkpoint) if checkpoint else 0
    total = sum(phase.epochs for phase in learner.phases)
    for epoch in range(first, total):
        if learner.best.exhausted:
            report.say(f"stopped after epoch {epoch}: {learner.best.patience} epochs without a better validation loss")
            break
        figures = learner.run_epoch(epoch)
        report.metrics(figures | learner.throughput.measure(), step=epoch + 1)
        if group is None or group.rank == 0:
            write_checkpoint(checkpoints, learner.state_dict(epoch + 1))
        shown = _pick_shown(figures)
        report.progress(epoch + 1, total, "epochs", **shown, examples_per_s=learner.throughput.examples_per_s)
    return Trained(learner.choose_weights(), learner.history, learner.activations, lesson.device.arithmetic)


def plan_phases(recipe: Recipe, schedule: Schedule, n_groups: int) -> list[Phase]:
    """Return the phases of a training: the head alone, then one more group at a time, then all layers that learn.

    All but the last are optional (Howard and Ruder 2018, "Universal Language Model Fine-tuning").
    """
    phases: list[Phase] = []
    for learning, epochs in enumerate(recipe.list_frozen_epochs(n_groups), start=1):
        if epochs:
            phases.append(Phase(sum(phase.epochs for phase in phases), epochs, learning))
    first = sum(phase.epochs for phase in phases)
    return [*phases, Phase(first, schedule.epochs, recipe.count_learning(n_groups))]


class Learner:
    """A network in training, with all state that a checkpoint must hold."""

    def __init__(
        self, network: nn.Module, lesson: Lesson, lr: float, report: Report, group: Group | None = None
    ) -> None:
        self.lesson, self.lr, self.report = lesson, lr, report
        self.network = lesson.device.place(network)
        self.phases = plan_phases(lesson.recipe, lesson.schedule, len(list_layer_groups(network)))
        self.average = average_weights(self.network, lesson.recipe.ema_decay)
        self.best = BestWeights(lesson.recipe.count_patience())
        self.history: list[dict[str, float]] = []
        self.activations: list[dict[str, Any]] = []
        self.class_weights = lesson.weigh_classes()
        self.step = Step(
            self.network, lesson.recipe, lesson.device, lesson.transforms, lesson.n_classes, self.class_weights, group
        )
        self.throughput: Throughput
        self.optimiser: AdamW
        self.schedule: OneCycleLR

    def enter(self, phase: Phase) -> None:
        """Make the phase's layers learn, with a new optimiser, schedule and patience."""
        self.best.epochs_since = 0
        recipe, schedule = self.lesson.recipe, self.lesson.schedule
        choose_learning(self.network, phase.learning, batch_norm=recipe.choose_batch_norm())
        self.optimiser = make_optimiser(self.network, recipe, self.lr)
        cycle = Cycle(0, phase.epochs)
        if phase is self.phases[-1]:
            cycle = self.lesson.cycle or cycle
        per_epoch = self.lesson.parts.train.count_batches(schedule.batch_size)
        peaks = [group["lr"] for group in self.optimiser.param_groups]
        self.schedule = OneCycleLR(
            self.optimiser, peaks, total_steps=max(2, cycle.epochs * per_epoch), cycle_momentum=False
        )
        if cycle.before:
            # An empty step, because torch warns when a schedule steps before its optimiser.
            self.optimiser.zero_grad(set_to_none=True)
            self.optimiser.step()
            self.schedule.last_epoch = cycle.before * per_epoch - 1
            self.schedule.step()

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Train one epoch; return its figures and add them to the history. `throughput` measures its speed."""
        for phase in self.phases:
            if phase.first == epoch:
                self.enter(phase)
        self.throughput = Throughput(len(self.lesson.parts.train))
        loss = self._train_epoch(epoch)
        self.throughput.end()
        lr = float(self.schedule.get_last_lr()[0])
        figures = {"epoch": float(epoch + 1), "lr": lr, "train_loss": loss}
        if self.lesson.parts.valid is not None:
            figures |= self._validate(self.lesson.parts.valid)
        self.history.append(figures)
        return figures

    def _train_epoch(self, epoch: int) -> float:
        lesson = self.lesson
        set_training(self.network)
        batches = self._draw_batches(epoch)
        with isolate_randomness(lesson.device.torch_device, lesson.seed, "dropout", epoch):
            with watch_layers(self.network) as activations:
                losses = [self._take_step(*next(batches))]
            self.activations += activations.rows(epoch + 1)
            losses += [self._take_step(*each) for each in batches]
        loss = float(torch.stack(losses).mean())
        if not math.isfinite(loss):
            raise UserError(_explain_divergence(loss, epoch, self.lr))
        return loss

    def _take_step(self, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        loss = self.step.take(batch, generator, self.optimiser)
        self.schedule.step()
        self.average.update_parameters(self.network)
        return loss

    def _draw_batches(self, epoch: int) -> Iterator[tuple[tuple[Tensor, Tensor], torch.Generator]]:
        generator = make_generator(CPU, self.lesson.seed, "batches", epoch)
        for batch in self.throughput.time_input(self.lesson.shuffle(generator)):
            self.report.check()
            yield batch, generator

    @torch.no_grad()
    def _validate(self, valid: Examples) -> dict[str, float]:
        """Return loss and accuracy; with a balance, all classes weigh in the loss as they do in training."""
        network = self.average.module.eval()
        loss = correct = total = 0.0
        for batch in valid.batches(self.lesson.schedule.batch_size):
            self.report.check()
            inputs, labels = (self.lesson.device.move(tensor) for tensor in batch)
            logits = network(self.lesson.transforms.prepare(inputs)).float()
            loss += float(F.cross_entropy(logits, labels, self.class_weights, reduction="sum"))
            total += len(labels) if self.class_weights is None else float(self.class_weights[labels].sum())
            correct += float((logits.argmax(1) == labels).sum())
        self.best.offer(loss / total, network.state_dict())
        return {"valid_loss": loss / total, "valid_accuracy": correct / len(valid)}

    def choose_weights(self) -> dict[str, Tensor]:
        """Return the weights with the lowest validation loss; without a valid part, the running average."""
        weights = self.best.weights or self.average.module.state_dict()
        return {name: value.detach().cpu().contiguous() for name, value in weights.items()}

    def state_dict(self, epochs: int) -> dict[str, Any]:
        """Return all state that the next epoch depends on."""
        return {
            "epochs": epochs,
            "arithmetic": asdict(self.lesson.device.arithmetic),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": self.best.state_dict(),
            "history": self.history,
            "activations": self.activations,
        }

    def load_state_dict(self, state: dict[str, Any]) -> int:
        """Restore a checkpoint; return the number of epochs already trained."""
        epochs = int(state["epochs"])
        self.enter([phase for phase in self.phases if phase.first < epochs][-1])
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.best.load_state_dict(state["best"])
        self.history = list(state["history"])
        self.activations = list(state["activations"])
        return epochs


def _pick_shown(figures: dict[str, float]) -> dict[str, float]:
    shown = {"train_loss": "loss", "valid_loss": "valid_loss", "valid_accuracy": "accuracy"}
    return {short: figures[name] for name, short in shown.items() if name in figures}


def _explain_divergence(loss: float, epoch: int, lr: float) -> str:
    return (
        f"the training loss became {loss} in epoch {epoch + 1} at a peak learning rate of {lr:.3g}. "
        "Set lr to a lower rate (a tenth), or try precision fp32, or a smaller clip_norm; "
        "if this happens in the first epoch, check the features for values that are not finite"
    )
