"""What a network says of examples."""

import numpy as np
import torch
from torch import nn

from tasks.learning.device import Device
from tasks.learning.examples import Examples
from tasks.learning.predictions import Predictions


@torch.no_grad()
def predict_examples(network: nn.Module, examples: Examples, device: Device, batch_size: int) -> Predictions:
    """Return the network's probabilities for every example, in order, in float32 whatever the training's."""
    network.eval()
    blocks = [
        network(device.move(inputs)).float().softmax(1).cpu().numpy() for inputs, _ in examples.batches(batch_size)
    ]
    rows = examples.rows
    return Predictions(rows.numpy(), examples.labels[rows].numpy(), np.concatenate(blocks))
