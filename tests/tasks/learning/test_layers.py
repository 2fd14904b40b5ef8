"""What is frozen stays, and what learns does so at its group's rate."""

import pytest
import torch
from torch import nn

from tasks.audio.members.melnet import MelNet
from tasks.learning.layers import choose_learning, list_layer_groups, set_training
from tasks.learning.optimiser import group_parameters
from tasks.learning.torchvision_networks import build_torchvision
from tests.tasks.learning.toys import make_member


def make_network() -> MelNet:
    return MelNet(16, 3, width=4, dropout=0.0)


def step_once(network: nn.Module, weights: str) -> None:
    set_training(network)
    optimiser = torch.optim.AdamW(group_parameters(network, make_member(weights=weights), lr=0.1))
    network(torch.randn(8, 16, 24)).pow(2).sum().backward()
    optimiser.step()


def test_with_a_frozen_body_only_the_head_moves_and_running_statistics_stay() -> None:
    network = make_network()
    choose_learning(network, 1, batch_norm="with_layers")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    step_once(network, "some.pt")
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.1.weight", "head.1.bias"}


def test_in_a_frozen_body_batch_normalisation_learns_and_measures_when_asked() -> None:
    network = make_network()
    choose_learning(network, 1, batch_norm="always")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    step_once(network, "some.pt")
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    kernels = {name for name, value in before.items() if value.ndim == 4}
    assert changed == before.keys() - kernels - {"normalise.mean", "normalise.std"}


def test_unfrozen_every_parameter_moves_and_running_statistics_too() -> None:
    network = make_network()
    choose_learning(network, 1, batch_norm="with_layers")
    choose_learning(network, len(list_layer_groups(network)), batch_norm="with_layers")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    step_once(network, "some.pt")
    same = {name for name, value in network.state_dict().items() if torch.equal(value, before[name])}
    assert same == {"normalise.mean", "normalise.std"}


def test_batch_normalisation_that_never_learns_keeps_weights_and_statistics_while_all_else_moves() -> None:
    network = make_network()
    choose_learning(network, len(list_layer_groups(network)), batch_norm="never")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    step_once(network, "some.pt")
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    kernels = {name for name, value in before.items() if value.ndim == 4}
    assert changed == kernels | {"head.1.weight", "head.1.bias"}


@pytest.mark.parametrize(
    ("weights", "divisor", "rates"),
    [("none", 3.0, {0.9}), ("some.pt", 3.0, {0.9, 0.9 / 3, 0.9 / 9, 0.9 / 27}), ("some.pt", 1.0, {0.9})],
)
def test_given_weights_learn_slower_towards_the_input(weights: str, divisor: float, rates: set[float]) -> None:
    for network in (make_network(), build_torchvision("resnet18", 3, weights="none", dropout=0.0)):
        groups = group_parameters(network, make_member(weights=weights, rate_divisor=divisor), lr=0.9)
        assert sorted({group["lr"] for group in groups}) == pytest.approx(sorted(rates))


def test_every_parameter_is_in_one_group_and_only_matrices_decay() -> None:
    network = build_torchvision("resnet18", 3, weights="none", dropout=0.0)
    groups = group_parameters(network, make_member(weights="some.pt", weight_decay=0.05), lr=1.0)
    grouped = [parameter for group in groups for parameter in group["params"]]
    assert len(grouped) == len(set(map(id, grouped))) == len(list(network.parameters()))
    for group in groups:
        assert all((p.ndim > 1) == (group["weight_decay"] > 0) for p in group["params"])
