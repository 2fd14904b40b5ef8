"""Muon's updates have no favourite direction, and are those of torch's own Muon."""

import pytest
import torch
from torch import nn

from tasks.learning.device import open_device
from tasks.learning.muon import Muon, orthogonalise
from tasks.learning.optimiser import make_optimiser
from tasks.learning.step import Step
from tasks.learning.transforms import Transforms
from tests.tasks.learning.toys import COMPUTE, make_member


@pytest.mark.parametrize("shape", [(3, 16, 144), (2, 64, 16), (1, 8, 8)])
def test_all_directions_of_an_update_are_about_equally_long(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    lengths = torch.linalg.svdvals(orthogonalise(matrices))
    # The iteration's own bounds (Jordan 2024): its fixed interval, not exactly one.
    assert lengths.min() > 0.5
    assert lengths.max() < 1.3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_step_lengthens_no_direction_of_a_gradient_that_has_few(precision: str) -> None:
    kernel = nn.Conv2d(16, 32, 3, bias=False)
    network = nn.Sequential(kernel, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))
    before = kernel.weight.detach().clone()
    recipe = make_member(optimiser="muon", weight_decay=0.0)
    step = Step(network, recipe, open_device(COMPUTE.model_copy(update={"precision": precision})), Transforms(), 2)
    generator = torch.Generator().manual_seed(1)
    batch = (torch.randn(8, 16, 6, 6, generator=generator), torch.tensor([0, 1] * 4))
    step.take(batch, generator, make_optimiser(network, recipe, lr=1.0))
    # Muon's update is scaled by 0.2 times the root of its longer side.
    lengths = torch.linalg.svdvals((kernel.weight - before).detach().flatten(1)) / (0.2 * 144**0.5)
    assert lengths[0] > 0.5
    assert lengths.max() < 1.3


def test_a_kernel_moves_as_by_torch_s_muon_on_its_matrix() -> None:
    kernel = nn.Parameter(torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(1)))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    start = kernel.detach().clone()
    ours = Muon([{"params": [kernel], "lr": 0.01, "weight_decay": 0.1, "kernels": True}], fused=True)
    theirs = torch.optim.Muon([matrix], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        gradient = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(seed))
        kernel.grad, matrix.grad = gradient, gradient.flatten(1)
        ours.step()
        theirs.step()
    moved, moved_theirs = (kernel - start).flatten(1), matrix - start.flatten(1)
    # theirs is computed in bfloat16, which has three digits
    assert (moved - moved_theirs).norm() < 0.03 * moved_theirs.norm()


def test_a_network_s_kernels_and_all_else_learn() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimiser = make_optimiser(network, make_member(optimiser="muon"), lr=0.01)
    network(torch.randn(5, 3, 4, 4)).square().sum().backward()
    optimiser.step()
    # a bias before batch normalisation has no effect, and so hardly a gradient
    moved = [not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)]
    assert moved == [True, moved[1], True, True, True, True]
