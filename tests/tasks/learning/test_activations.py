"""What is noted of layers is what they put out, and nothing stays attached to them."""

import pytest
import torch
from torch import nn

from tasks.learning.activations import watch_layers


def test_means_and_spreads_are_those_of_each_layer_s_output() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    batch = torch.randn(16, 4)
    with watch_layers(network) as seen:
        out = network(batch)
    assert [row["layer"] for row in seen.rows(3)] == ["0", "2"]
    first, last = seen.rows(3)
    assert first["epoch"] == 3
    torch.testing.assert_close(torch.tensor(first["mean"]), network[0](batch).mean())
    torch.testing.assert_close(torch.tensor(last["std"]), out.std())


def test_hooks_are_gone_afterwards_even_when_the_network_fails() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(5, 2))
    with pytest.raises(RuntimeError), watch_layers(network):
        network(torch.randn(2, 4))
    assert not any(layer._forward_hooks for layer in network.modules())
