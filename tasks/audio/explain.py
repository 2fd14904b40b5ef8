"""Show the time and the pitch that an exported model's prediction depends on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.audio.decode import Source

# The spectrogram is enlarged by whole factors towards this side, in pixels.
SHOWN_PX = 384


def open_explainer(model: Path) -> Callable[[Source], NDArray[np.uint8] | None]:
    """Return a function from a sound file to its spectrogram overlaid with an attribution map, (height, width, 3).

    Low bands are at the bottom. The function returns None when no network of the model reads spectrograms, and raises
    UserError as `predict` does.
    """
    import torch

    from tasks.audio.decode import open_reader
    from tasks.learning.attribution import attribute, make_map, overlay_map
    from tasks.learning.served import load_script

    script = load_script(model)
    read = open_reader(script)

    def explain(source: Source) -> NDArray[np.uint8] | None:
        clip = torch.from_numpy(read(source))[None]
        for view in script.views.children():
            with torch.no_grad():
                (features,) = view.front_end(clip)
            if features.ndim == 2:
                silence = features.amin().expand_as(features)
                heat = make_map(attribute(partial(_predict_view, view), features, silence))
                return _enlarge(overlay_map(_draw(features), heat))
        return None

    return explain


def _predict_view(view: Any, features: Tensor) -> Tensor:
    """Return the weighted sum of the probabilities of a view's networks (batch, classes)."""
    import torch

    voters = zip(view.shares, view.networks.children(), strict=True)
    return torch.stack([share * network(features).softmax(1) for share, network in voters]).sum(0)


def _draw(spectrogram: Tensor) -> NDArray[np.uint8]:
    """Return a spectrogram (bands, frames) in dB as a grey picture, silence black."""
    import numpy as np

    levels_db = spectrogram.numpy()
    floor_db = max(levels_db.min(), levels_db.max() - 80)
    grey = ((levels_db - floor_db) / max(levels_db.max() - floor_db, 1e-6)).clip(0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def _enlarge(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture with low bands at the bottom; each value becomes a block of pixels."""
    high, wide = (max(1, SHOWN_PX // side) for side in picture.shape[:2])
    upright = picture[::-1]
    return upright.repeat(high // 2 or 1, axis=0).repeat(wide, axis=1)
