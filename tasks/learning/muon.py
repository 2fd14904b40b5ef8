"""AdamW that updates the kernels of convolutions by Muon's rule."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

MOMENTUM = 0.95
STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ADAMW_RMS = 0.2  # the usual root mean square of AdamW's update, so that the same learning rates suit both


class Muon(AdamW):
    """AdamW, but for parameter groups marked `kernels`: their update is the nearest matrix with orthogonal rows.

    All directions of the update are then equally strong, so fewer steps are needed. Jordan 2024, "Muon: An optimizer
    for hidden layers in neural networks"; Liu et al. 2025, "Muon is Scalable for LLM Training", for decay and scale.
    torch.optim.Muon does the same, but only for matrices and one at a time.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; a kernel's gradient is cleared."""
        for group in self.param_groups:
            if group["kernels"]:
                self._update_kernels([kernel for kernel in group["params"] if kernel.grad is not None], group)
        super().step(closure)

    def _update_kernels(self, kernels: list[nn.Parameter], group: dict[str, Any]) -> None:
        by_shape: defaultdict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for kernel in kernels:
            by_shape[kernel.shape].append(kernel)
        for shape, same in by_shape.items():
            updates = orthogonalise(torch.stack([self._add_momentum(kernel) for kernel in same]))
            scale = ADAMW_RMS * max(updates.shape[1:]) ** 0.5
            for kernel, update in zip(same, updates, strict=True):
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                kernel.add_(update.view(shape), alpha=-group["lr"] * scale)
                kernel.grad = None  # so that AdamW skips it

    def _add_momentum(self, kernel: nn.Parameter) -> Tensor:
        """Return a kernel's gradient with Nesterov momentum, (outputs, all else)."""
        state, gradient = self.state[kernel], kernel.grad
        assert gradient is not None
        if not state:
            # AdamW expects a step in every state that it loads.
            state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(gradient)}
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM).flatten(1)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return about U V^T for each matrix (batch, rows, columns) with the singular value decomposition U S V^T.

    The Newton-Schulz iteration on the small Gram matrix: each step multiplies the matrix by a polynomial of its Gram
    matrix. The polynomials are multiplied together and applied once at the end.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalise(matrices.mT).mT
    a, b, c = COEFFICIENTS
    matrices = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    gram = matrices @ matrices.mT
    identity = torch.eye(gram.shape[1], device=gram.device).expand_as(gram)
    product = identity
    for _ in range(STEPS):
        factor = torch.baddbmm(a * identity + b * gram, gram, gram, alpha=c)
        product = factor @ product
        gram = factor @ gram @ factor
    return product @ matrices
