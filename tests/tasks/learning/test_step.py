"""The forward pass has the precision that was asked for, the update always that of the weights."""

import pytest
import torch
from torch import nn

from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.step import Step
from tasks.learning.transforms import Transforms
from tests.tasks.learning.toys import make_member


class Watched(torch.optim.SGD):
    """Plain descent that notes the precision in which matrices are multiplied while it moves the weights."""

    def step(self, closure=None):
        self.precision = (torch.eye(2) @ torch.eye(2)).dtype
        return super().step(closure)


@pytest.mark.parametrize(("wanted", "got"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_an_update_is_computed_in_fp32_and_the_forward_pass_as_asked(wanted: str, got: torch.dtype) -> None:
    network, seen = nn.Linear(4, 3), []
    network.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    device = open_device(Compute(device="cpu", precision=wanted, threads=1, replicas=1))
    optimiser = Watched(network.parameters(), lr=0.1)
    batch = torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1])
    loss = Step(network, make_member(), device, Transforms(), 3).take(batch, torch.Generator(), optimiser)
    assert (optimiser.precision, seen) == (torch.float32, [got])
    assert loss.dtype == torch.float32
    assert all(weight.dtype == torch.float32 for weight in network.parameters())
