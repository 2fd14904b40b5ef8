"""A network's predictions of examples."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from tasks.learning.examples import Examples
from tasks.learning.lesson import Lesson
from tasks.learning.predictions import Predictions


def predict_examples(network: nn.Module, examples: Examples, lesson: Lesson) -> Predictions:
    """Return the network's probabilities for every example, in order, always computed in float32."""
    wrapped = lesson.transforms.wrap(network).eval()
    return predict_batches(
        lambda inputs: wrapped(lesson.transforms.prepare(lesson.device.move(inputs))),
        examples,
        lesson.schedule.batch_size,
    )


@torch.no_grad()
def predict_batches(classify: Callable[[Tensor], Tensor], examples: Examples, batch_size: int) -> Predictions:
    """Return the probabilities of every example, in order; `classify` maps inputs, as stored, to logits."""
    batches = examples.list_batches(batch_size)
    blocks = [classify(examples.fetch(positions)[0]).float().softmax(1).cpu().numpy() for positions in batches]
    probabilities = np.concatenate(blocks)
    probabilities[torch.cat(batches).numpy()] = probabilities.copy()
    rows = examples.rows
    return Predictions(rows.numpy(), examples.labels[rows].numpy(), probabilities)
