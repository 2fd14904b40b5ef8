"""CutMix: pastes a rectangle of another example into each example and blends the targets by its area."""

import torch
from torch import Tensor

from tasks.learning.mixing import draw_shares


def cut_mix(inputs: Tensor, targets: Tensor, generator: torch.Generator, *, alpha: float) -> tuple[Tensor, Tensor]:
    """Paste a box of another example of the batch into each; every pair draws its own box.

    inputs (batch, channels, height, width), targets (batch, n_classes). The share of the area
    that stays is Beta(alpha, alpha), the larger share always the example's own, as in `mix_up`. A box is clipped at
    the border, and the targets are blended by the area really pasted. Yun et al. 2019, "CutMix".
    """
    if alpha == 0:
        return inputs, targets
    count, size = len(inputs), inputs.shape[2:]
    sides = (1 - draw_shares(count, alpha, generator)).sqrt()
    boxes = mark_boxes(_place(sides, size[0], generator), _place(sides, size[1], generator), size).to(inputs.device)
    pasted = boxes.mean((1, 2, 3)).unsqueeze(1)
    other = torch.randperm(count, generator=generator).to(inputs.device)
    # lerp with shares of 0 and 1 gives exactly the numbers of torch.where, and is faster than where with broadcasting.
    return inputs.lerp(inputs[other], boxes), targets.lerp(targets[other], pasted)


def mark_boxes(rows: Tensor, columns: Tensor, size: torch.Size) -> Tensor:
    """Return masks (batch, 1, height, width), 1 inside a box and 0 outside.

    `rows` and `columns` (batch, 2) are the first pixel of each box and the one after its last.
    """
    inside_rows, inside_columns = (
        ((torch.arange(length) >= span[:, :1]) & (torch.arange(length) < span[:, 1:])).float()
        for span, length in zip((rows, columns), size, strict=True)
    )
    return inside_rows.view(-1, 1, size[0], 1) * inside_columns.view(-1, 1, 1, size[1])


def _place(sides: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Return start and end (batch, 2) of spans of `sides` (shares of `length`) around random centres."""
    span = (sides * length).round()
    start = (torch.rand(len(sides), generator=generator) * length - span / 2).floor()
    return torch.stack([start, start + span], 1).clamp(0, length)
