"""One step of training, shared by the loop and the range test."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tasks.learning.device import Device
from tasks.learning.group import Group
from tasks.learning.recipe import Recipe
from tasks.learning.replicas import Replicas
from tasks.learning.transforms import Transforms


@dataclass(frozen=True)
class Step:
    """Updates the weights by one batch; `class_weights` (classes) are on the device, and None without balance.

    `group` are the processes that compute the replicas, None for this one alone.
    """

    network: nn.Module
    recipe: Recipe
    device: Device
    transforms: Transforms
    n_classes: int
    class_weights: Tensor | None = None
    group: Group | None = None

    def measure_loss(self, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        """Return the mean loss of an augmented, mixed batch, ready for backward."""
        inputs, labels = (self.device.move(tensor) for tensor in batch)
        inputs = self.transforms.prepare(inputs)
        targets = self.transforms.make_targets(inputs, labels, self.n_classes)
        inputs, targets = self.transforms.augment(inputs, targets, generator)
        with self.device.autocast():
            logits = self.network(inputs)
        smoothing = self.recipe.label_smoothing
        if self.class_weights is None or self.recipe.get_balance() != "weights":
            return F.cross_entropy(logits.float(), targets, label_smoothing=smoothing)
        # Weighted before they are smoothed: otherwise the share of a rare class in every smoothed target would count
        # more than the targets of the common ones.
        targets = targets * self.class_weights
        weights = targets.sum(1)
        losses = F.cross_entropy(
            logits.float(), targets / weights.unsqueeze(1), label_smoothing=smoothing, reduction="none"
        )
        return (weights * losses).mean()

    def take(self, batch: tuple[Tensor, Tensor], generator: torch.Generator, optimiser: Optimizer) -> Tensor:
        """Update the weights by one batch and return its loss, detached."""
        if self.device.replicas > 1:
            replicas = Replicas(self.device.replicas, self.group)
            loss = replicas.backward(self.network, batch, generator, self.measure_loss)
        else:
            loss = self.measure_loss(batch, generator)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        # Not in bf16: Muon's polynomials of a gradient's Gram matrix need more digits.
        optimiser.step()
        return loss.detach()
