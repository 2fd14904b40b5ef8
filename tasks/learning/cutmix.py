"""CutMix: a rectangle of another example pasted into each, and the targets blended by its area."""

import torch
from torch import Tensor

from tasks.learning.mixing import draw_shares


def cut_mix(inputs: Tensor, targets: Tensor, generator: torch.Generator, *, alpha: float) -> tuple[Tensor, Tensor]:
    """Paste a box of another example of the batch into each; every pair draws its own box.

    inputs (batch, channels, height, width), targets (batch, n_classes). The area kept is Beta(alpha, alpha), the
    larger part the example's own as in `mix_up`; what of the box would lie outside is cut off, and the targets
    are blended by what was truly pasted. Yun et al. 2019, "CutMix".
    """
    if alpha == 0:
        return inputs, targets
    count, size = len(inputs), inputs.shape[2:]
    sides = (1 - draw_shares(count, alpha, generator)).sqrt()
    boxes = mark_boxes(_place(sides, size[0], generator), _place(sides, size[1], generator), size).to(inputs.device)
    pasted = boxes.mean((1, 2, 3)).unsqueeze(1)
    other = torch.randperm(count, generator=generator).to(inputs.device)
    # Shares of 0 and 1 give the very numbers that a choice would, faster than one that broadcasts.
    return inputs.lerp(inputs[other], boxes), targets.lerp(targets[other], pasted)


def mark_boxes(rows: Tensor, columns: Tensor, size: torch.Size) -> Tensor:
    """Return masks (batch, 1, height, width), 1 inside a box and 0 outside.

    `rows` and `columns` (batch, 2) say where each box begins and ends, in pixels, the end not included.
    """
    inside_rows, inside_columns = (
        ((torch.arange(length) >= span[:, :1]) & (torch.arange(length) < span[:, 1:])).float()
        for span, length in zip((rows, columns), size, strict=True)
    )
    return inside_rows.view(-1, 1, size[0], 1) * inside_columns.view(-1, 1, 1, size[1])


def _place(sides: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Return where spans of `sides` (shares of `length`) about random centres begin and end: (batch, 2)."""
    span = (sides * length).round()
    start = (torch.rand(len(sides), generator=generator) * length - span / 2).floor()
    return torch.stack([start, start + span], 1).clamp(0, length)
