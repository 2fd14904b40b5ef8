"""The running average of the weights."""

import torch
from torch import nn

from tasks.learning.averaging import average_weights


def feed(network: nn.Module, decay: float, values: list[float]) -> torch.Tensor:
    average = average_weights(network, decay)
    for value in values:
        with torch.no_grad():
            network.weight.fill_(value)
        average.update_parameters(network)
    return average.module.weight


def test_a_decay_of_zero_is_the_network_itself() -> None:
    assert (feed(nn.Linear(2, 2), 0.0, [1.0, 5.0]) == 5).all()


def test_it_is_an_exponential_average_once_warm() -> None:
    average = feed(nn.Linear(1, 1), 0.5, [0.0] * 20 + [8.0, 8.0])
    torch.testing.assert_close(average, torch.full((1, 1), 6.0))


def test_after_a_few_steps_the_initial_weights_are_forgotten() -> None:
    assert feed(nn.Linear(1, 1), 0.999, [0.0] + [1.0] * 20) > 0.9


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    network = nn.BatchNorm1d(2)
    average = average_weights(network, 0.9)
    for _ in range(3):
        network(torch.randn(16, 2) + 4)
        average.update_parameters(network)
    assert average.module.num_batches_tracked == 3
    assert 0 < average.module.running_mean.mean() <= network.running_mean.mean()
