"""Mixup: blends examples and their targets in pairs."""

import torch
from torch import Tensor
from torch.nn import functional as F


def encode_one_hot(labels: Tensor, n_classes: int) -> Tensor:
    """Return labels (batch) as one-hot rows (batch, n_classes)."""
    return F.one_hot(labels, n_classes).float()


def mix_up(inputs: Tensor, targets: Tensor, generator: torch.Generator, *, alpha: float) -> tuple[Tensor, Tensor]:
    """Blend each example with another one of the batch; every pair draws its own share.

    inputs (batch, ...), targets (batch, n_classes). The share is Beta(alpha, alpha), the larger share always
    the example's own. Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".
    """
    if alpha == 0:
        return inputs, targets
    share = draw_shares(len(inputs), alpha, generator).to(inputs.device)
    other = torch.randperm(len(inputs), generator=generator, device=generator.device).to(inputs.device)
    wide = share.view(-1, *[1] * (inputs.ndim - 1))
    mixed = inputs[other].lerp(inputs, wide)
    return mixed, targets[other].lerp(targets, share.unsqueeze(1))


def draw_shares(count: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw `count` shares of Beta(alpha, alpha), each the larger of s and 1 - s, from the generator alone."""
    concentration = torch.full((2, count), alpha, device=generator.device)
    gammas = torch._standard_gamma(concentration, generator=generator).clamp(min=1e-30)
    share = gammas[0] / gammas.sum(0)
    return torch.maximum(share, 1 - share)
