"""A network's predictions of examples."""

import numpy as np
import torch
from torch import nn

from tasks.learning.examples import Examples
from tasks.learning.lesson import Lesson
from tasks.learning.predictions import Predictions


@torch.no_grad()
def predict_examples(network: nn.Module, examples: Examples, lesson: Lesson) -> Predictions:
    """Return the network's probabilities for every example, in order, always computed in float32."""
    network = lesson.transforms.wrap(network).eval()
    blocks, batches = [], examples.list_batches(lesson.schedule.batch_size)
    for positions in batches:
        inputs, _ = examples.fetch(positions)
        prepared = lesson.transforms.prepare(lesson.device.move(inputs))
        blocks.append(network(prepared).float().softmax(1).cpu().numpy())
    probabilities = np.concatenate(blocks)
    probabilities[torch.cat(batches).numpy()] = probabilities.copy()
    rows = examples.rows
    return Predictions(rows.numpy(), examples.labels[rows].numpy(), probabilities)
