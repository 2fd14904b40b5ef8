"""Features of a frozen EfficientNet-Lite0 with ImageNet's weights, for models that are fitted in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tasks.learning.lite0 import MODEL, read_weights

BATCH_SIZE = 64
TEXTURES = (2, 3, 4)  # the maps at 1/8, 1/16 and 1/32 of the side


def build_lite0() -> Any:
    """Return the network, ready to predict."""
    import timm

    network: Any = timm.create_model(MODEL, pretrained=False)
    network.load_state_dict(read_weights(network.state_dict()))
    return network.eval().to(memory_format=torch.channels_last)


def describe_pictures(pictures: Iterable[Tensor]) -> NDArray[np.float32]:
    """Return what the network's last layer saw, (n, 1280), for batches of pictures (b, 3, height, width) in 0..255."""
    network = build_lite0()
    return _gather(network.forward_head(network.forward_features(batch), pre_logits=True) for batch in _scale(pictures))


def describe_textures(pictures: Iterable[Tensor]) -> NDArray[np.float32]:
    """Return mean and deviation of the channels of three maps, (n, 944): for pictures unlike photographs."""
    network = build_lite0()

    def describe(batch: Tensor) -> Tensor:
        maps = network.forward_intermediates(batch, indices=TEXTURES, intermediates_only=True)
        return torch.cat([moment for each in maps for moment in (each.mean((2, 3)), each.std((2, 3)))], 1)

    return _gather(describe(batch) for batch in _scale(pictures))


def resize(pictures: Tensor, *, height: int, width: int) -> Tensor:
    """Resize pictures (n, channels, ...) to the network's input, with antialiasing."""
    return F.interpolate(pictures, size=(height, width), mode="bilinear", antialias=True)


def _scale(pictures: Iterable[Tensor]) -> Iterator[Tensor]:
    for batch in pictures:
        yield ((batch - 127) / 128).contiguous(memory_format=torch.channels_last)


def _gather(batches: Iterator[Tensor]) -> NDArray[np.float32]:
    with torch.inference_mode():
        features: NDArray[np.float32] = torch.cat(list(batches)).numpy()
    return features
