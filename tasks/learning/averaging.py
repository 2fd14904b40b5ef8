"""A running average of the weights, which predicts better than the last ones."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def average_weights(network: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of the network, its buffers included.

    Its decay grows from 0.1 to `decay` over the first steps, so that short trainings do not keep their
    initial weights (as in TensorFlow's ExponentialMovingAverage); with a decay of 0 it is the network itself.
    """
    return AveragedModel(network, multi_avg_fn=_average_with(decay), use_buffers=True)


Averages = tuple[Tensor, ...] | list[Tensor]


def _average_with(decay: float) -> Callable[[Averages, Averages, Tensor | int], None]:
    @torch.no_grad()
    def average(averaged: Averages, current: Averages, n_averaged: Tensor | int) -> None:
        steps = int(n_averaged)
        share = min(decay, (1 + steps) / (10 + steps))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(list(averaged), list(current), 1 - share)
        else:
            torch._foreach_copy_(list(averaged), list(current))

    return average
