"""The learning-rate range test, and the rate that follows from it.

The test shows the rate at which a network becomes unstable: its limit. The peak rate is the geometric mean of the limit
and `USUAL_LR`, so it moves half as far as the limit, on a logarithmic scale: with the limit, because unstable networks
need lower rates, but not as far, because a limit is measured with noise. Both constants were chosen on recorded curves
and a few short trainings of all three domains. `make bench ROW=lr_finder` compares the rate with its neighbours.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
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
USUAL_LR = 0.002  # a rate at which most networks learn with Adam's updates
RISE = 0.1  # at the limit the smoothed loss begins to rise by this share of the loss of guessing
SMOOTHING_STEPS = 6  # standard deviation of the Gaussian that smooths the losses, a third of a decade
CLIPPED = 3.0  # losses above this multiple of the first are clipped, so that smoothing spreads them no further
DIVERGED = 2.0  # the test ends when the mean of the last ten losses is above this multiple of the lowest such mean
RECENT_STEPS = 10
MIN_POINTS = 5


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


def find_limit(curve: Curve, n_answers: int) -> float:
    """Return the largest rate before the smoothed loss rises above its lowest value, by more than noise.

    The loss of guessing one of `n_answers` is the measure of what is noise.
    It needs no fall of the loss, so it also serves a network that has been trained before, whose loss can only rise.
    Raises UserError when the loss is not finite after a few steps at the lowest rates.
    """
    if len(curve.lr) < MIN_POINTS:
        raise UserError(
            f"the loss is not finite after {len(curve.lr)} steps at learning rates from {LOWEST:g}: check the features "
            "for values that are not finite, or set precision to fp32"
        )
    lowest = int(curve.smoothed.argmin())
    risen = np.flatnonzero(curve.smoothed[lowest:] > curve.smoothed[lowest] + RISE * math.log(n_answers))
    return float(curve.lr[lowest + risen[0] - 1 if len(risen) else -1])


def choose_lr(limit: float) -> float:
    """Return the peak learning rate for a network with this limit."""
    return math.sqrt(limit * USUAL_LR)


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
    """Return the losses smoothed by a Gaussian over the steps before and after each."""
    if not len(losses):
        return losses
    smoothed: NDArray[np.float64] = gaussian_filter1d(
        np.minimum(losses, CLIPPED * losses[0]), SMOOTHING_STEPS, mode="nearest"
    )
    return smoothed


def has_diverged(losses: list[float]) -> bool:
    """Return whether the last loss is not finite, or the recent losses are twice as high as they were at their best."""
    if not math.isfinite(losses[-1]):
        return True
    sums = np.cumsum([0.0, *losses])
    recent = sums[RECENT_STEPS:] - sums[:-RECENT_STEPS]
    return bool(len(recent) and recent[-1] > DIVERGED * recent.min())


def _count_finite(losses: list[float]) -> int:
    return next((n for n, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))


def _draw_endlessly(lesson: Lesson) -> Iterator[tuple[tuple[Tensor, Tensor], torch.Generator]]:
    for epoch in count():
        generator = make_generator(torch.device("cpu"), lesson.seed, "find_lr", epoch)
        for batch in lesson.shuffle(generator):
            yield batch, generator
