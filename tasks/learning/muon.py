"""AdamW that turns the kernels of convolutions by Muon's rule."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

MOMENTUM = 0.95
STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
LIKE_ADAMW = 0.2  # the usual root mean square of AdamW's update, so that the same learning rates suit both


class Muon(AdamW):
    """AdamW, but for parameter groups marked `kernels`: their update is the nearest matrix with orthogonal rows.

    No direction of the update then outweighs another, so that fewer steps are needed. Jordan 2024, "Muon: An optimizer
    for hidden layers in neural networks"; Liu et al. 2025, "Muon is Scalable for LLM Training", for decay and scale.
    torch.optim.Muon does the same for matrices alone, and one by one.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; a kernel's gradient is used up."""
        for group in self.param_groups:
            if group["kernels"]:
                self._turn([kernel for kernel in group["params"] if kernel.grad is not None], group)
        super().step(closure)

    def _turn(self, kernels: list[nn.Parameter], group: dict[str, Any]) -> None:
        alike: defaultdict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for kernel in kernels:
            alike[kernel.shape].append(kernel)
        for shape, same in alike.items():
            updates = orthogonalise(torch.stack([self._push(kernel) for kernel in same]))
            scale = LIKE_ADAMW * max(updates.shape[1:]) ** 0.5
            for kernel, update in zip(same, updates, strict=True):
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                kernel.add_(update.view(shape), alpha=-group["lr"] * scale)
                kernel.grad = None  # so that AdamW passes it by

    def _push(self, kernel: nn.Parameter) -> Tensor:
        """Return a kernel's gradient with Nesterov momentum, (outputs, all else)."""
        state, gradient = self.state[kernel], kernel.grad
        assert gradient is not None
        if not state:
            # AdamW looks for a step in whatever state it is given back.
            state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(gradient)}
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM).flatten(1)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return, of each matrix (batch, rows, columns), about U V^T of its singular value decomposition U S V^T.

    Newton and Schulz's iteration, but on the small Gram matrix: each step multiplies the matrix by a polynomial of its
    Gram matrix, and those polynomials are collected and applied once at the end.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalise(matrices.mT).mT
    a, b, c = COEFFICIENTS
    matrices = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    gram = matrices @ matrices.mT
    identity = torch.eye(gram.shape[1], device=gram.device).expand_as(gram)
    together = identity
    for _ in range(STEPS):
        factor = torch.baddbmm(a * identity + b * gram, gram, gram, alpha=c)
        together = factor @ together
        gram = factor @ gram @ factor
    return together @ matrices
