"""Class imbalance: weights of the classes in the loss, and draws with every class equally often."""

import torch
from torch import Tensor


def weigh_classes(labels: Tensor, n_classes: int) -> Tensor:
    """Return a weight per class, (n_classes) float32, so that all classes weigh the same together.

    The mean weight of the examples with these `labels` (n) is 1; a class without examples has the weight 0. The same
    weights as scikit-learn's `balanced` (King and Zeng 2001, "Logistic Regression in Rare Events Data").
    """
    counts = labels.bincount(minlength=n_classes)
    present = counts > 0
    return (len(labels) / (present.sum() * counts)).where(present, 0.0)


def draw_evenly(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return n positions of `labels` (n) in random order; each class has n / classes of them, up to one more or less.

    A class's examples are drawn without replacement, and once more after all of them have been drawn.
    """
    classes = labels.unique()
    classes = classes[torch.randperm(len(classes), generator=generator)]
    quota, rest = divmod(len(labels), len(classes))
    drawn = [
        _draw_repeatedly((labels == each).nonzero().squeeze(1), quota + (place < rest), generator)
        for place, each in enumerate(classes)
    ]
    return torch.cat(drawn)[torch.randperm(len(labels), generator=generator)]


def _draw_repeatedly(positions: Tensor, count: int, generator: torch.Generator) -> Tensor:
    passes = -(-count // len(positions))
    return torch.cat([positions[torch.randperm(len(positions), generator=generator)] for _ in range(passes)])[:count]
