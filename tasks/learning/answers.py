"""What an exported model answers about one file or text."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Answer:
    """The most probable classes of a file, or of a text itself, with their probabilities, the most probable first."""

    file: Path | str
    classes: tuple[tuple[str, float], ...]


def ask_model(script: Any, file: Path | str, batch: "Tensor", *, top: int) -> Answer:
    """Return the `top` classes of one file or text, given as a batch of one, by an exported model with `labels`."""
    import torch

    with torch.inference_mode():
        best = script(batch)[0].topk(min(top, len(script.labels)))
    names = [script.labels[index] for index in best.indices.tolist()]
    return Answer(file, tuple(zip(names, best.values.tolist(), strict=True)))
