"""Show the region of a picture that an exported model's prediction depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.images.decode import Source

# Larger pictures are scaled down to this side before they are explained and shown.
SHOWN_PX = 384


def open_explainer(model: Path) -> Callable[[Source], NDArray[np.uint8] | None]:
    """Return a function from a picture file to the picture overlaid with its attribution map, (height, width, 3).

    The function raises UserError, as `predict` does, when the file is no picture.
    """
    import numpy as np
    import torch

    from tasks.images.decode import read_picture
    from tasks.learning.attribution import attribute, make_map, overlay_map
    from tasks.learning.served import load_script

    script = load_script(model)

    def explain(source: Source) -> NDArray[np.uint8]:
        small = read_picture(source)
        small.thumbnail((SHOWN_PX, SHOWN_PX))
        picture = np.array(small)
        shown = torch.from_numpy(picture).permute(2, 0, 1).float()
        # The baseline is a picture of a single colour, the mean: the attribution is to what differs from it.
        hidden = shown.mean((1, 2), keepdim=True).expand_as(shown)
        return overlay_map(picture, make_map(attribute(script, shown, hidden).sum(0)))

    return explain
