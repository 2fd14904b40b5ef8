"""The learning-rate range test."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import savgol_filter
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.learning.examples import check_batch_size
from tasks.learning.layers import set_training
from tasks.learning.lesson import Lesson
from tasks.learning.optimiser import make_optimiser
from tasks.learning.randomness import isolate_randomness, make_generator
from tasks.learning.step import Step
from tasks.learning.transforms import Transforms
from tasks.report import Report

LOWEST, HIGHEST = 1e-5, 1.0
STEPS = 100
SMOOTHING = 0.9
DIVERGED = 2.0  # the smoothed loss, relative to its lowest, at which the test ends
MIN_POINTS = 5
SLOPE_SHARE = 3  # a slope is fitted to a third of the points, about a decade
LEARNT = 0.75  # a loss below this share of the loss of guessing shows that the network has been trained before
RISEN = (
    1.05  # a trained network tolerates a rate if the smoothed loss stays below this multiple of the loss at low rates
)
FLAT = 1e-6  # a loss that falls by less per step counts as not falling


@dataclass(frozen=True)
class Curve:
    """Learning rates with the loss measured at each, raw and smoothed."""

    lr: NDArray[np.float64]
    loss: NDArray[np.float64]
    smoothed: NDArray[np.float64]


def run_range_test(network: nn.Module, lesson: Lesson, *, report: Report, steps: int = STEPS) -> Curve:
    """Train `steps` batches with a learning rate that grows exponentially, and restore the network.

    The network's weights, buffers and mode and the global random state are restored afterwards. Batches repeat, so
    three are enough. Smith 2015, "Cyclical Learning Rates for Training Neural Networks".
    """
    check_batch_size(lesson.parts.train, lesson.schedule.batch_size)
    lesson.device.place(network)
    initial, was_training = copy.deepcopy(network.state_dict()), network.training
    try:
        with isolate_randomness(lesson.device.torch_device, lesson.seed, "find_lr"):
            return _sweep(network, lesson, steps, report)
    finally:
        network.load_state_dict(initial)
        network.train(was_training)
        network.zero_grad(set_to_none=True)


def suggest_lr(curve: Curve, n_classes: int) -> float:
    """Return the rate at which the smoothed loss falls most steeply per decade, both ends excluded.

    The slope at a rate is that of a straight line through the nearest third of the points, so single batches hardly
    change it. A network whose loss is from the start well below that of guessing one of `n_classes` has been trained
    before, and its loss can only rise: its rate is a tenth of the largest that it tolerates. Raises UserError when
    the loss never falls.
    """
    first = len(curve.lr) // 10
    if len(curve.lr) >= MIN_POINTS:
        if curve.smoothed[first] < LEARNT * math.log(n_classes):
            low = curve.loss[: len(curve.lr) // SLOPE_SHARE].mean()
            return float(curve.lr[np.flatnonzero(curve.smoothed <= RISEN * low)[-1]]) / 10
        smoothed = curve.smoothed[first:]
        slope = measure_slope(smoothed)[: max(int(np.argmin(smoothed)), 1)]
        if slope.min() < -FLAT:
            return float(curve.lr[first + int(np.argmin(slope))])
    raise UserError(
        f"the loss never fell in the range test, between learning rates of {LOWEST:g} and {HIGHEST:g}: the network "
        "does not learn from these features. Check the features, the labels and label_smoothing"
    )


def measure_slope(smoothed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slope of a line fitted around each point, by equal steps of the rate's logarithm."""
    window = max(3, len(smoothed) // SLOPE_SHARE | 1)
    slope: NDArray[np.float64] = savgol_filter(smoothed, window, 1, deriv=1)
    return slope


def _sweep(network: nn.Module, lesson: Lesson, steps: int, report: Report) -> Curve:
    # Mixing and augmentation would only add noise to the loss.
    transforms = Transforms(prepare=lesson.transforms.prepare, make_targets=lesson.transforms.make_targets)
    optimiser = make_optimiser(network, lesson.recipe, lr=1.0)
    shares = [group["lr"] for group in optimiser.param_groups]
    step = Step(network, lesson.recipe, lesson.device, transforms, lesson.n_classes, lesson.weigh_classes())
    set_training(network)
    rates, losses = np.geomspace(LOWEST, HIGHEST, steps), []
    batches = _draw_endlessly(lesson)
    for done, (rate, (batch, generator)) in enumerate(zip(rates, batches, strict=False), start=1):
        for group, share in zip(optimiser.param_groups, shares, strict=True):
            group["lr"] = rate * share
        losses.append(float(step.take(batch, generator, optimiser)))
        report.progress(done, steps, "steps", loss=losses[-1])
        if has_diverged(losses):
            break
    finite = np.array(losses[: _count_finite(losses)])
    return Curve(rates[: len(finite)], finite, smooth(finite))


def smooth(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exponential average of the losses, corrected for its start at zero (as in Adam)."""
    average, smoothed = 0.0, []
    for n, loss in enumerate(losses, start=1):
        average = SMOOTHING * average + (1 - SMOOTHING) * float(loss)
        smoothed.append(average / (1 - SMOOTHING**n))
    return np.array(smoothed)


def has_diverged(losses: list[float]) -> bool:
    """Return whether the smoothed loss is above twice its lowest value, or the last loss is not finite."""
    if not math.isfinite(losses[-1]):
        return True
    smoothed = smooth(np.array(losses))
    return bool(smoothed[-1] > DIVERGED * smoothed.min())


def _count_finite(losses: list[float]) -> int:
    return next((n for n, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))


def _draw_endlessly(lesson: Lesson) -> Iterator[tuple[tuple[Tensor, Tensor], torch.Generator]]:
    for epoch in count():
        generator = make_generator(torch.device("cpu"), lesson.seed, "find_lr", epoch)
        for batch in lesson.shuffle(generator):
            yield batch, generator
