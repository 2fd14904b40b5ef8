"""Where in a picture an exported model saw its class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.images.decode import Source

# Larger pictures are shown, and looked at, no larger than this.
SHOWN_PX = 384


def open_explainer(model: Path) -> Callable[[Source], NDArray[np.uint8] | None]:
    """Return what takes a picture to itself with a map laid over it, (height, width, 3).

    It raises UserError as `predict` does when the file is no picture.
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
        # Against a picture of one colour, its mean: what differs from that is what can be seen.
        hidden = shown.mean((1, 2), keepdim=True).expand_as(shown)
        return overlay_map(picture, make_map(attribute(script, shown, hidden).sum(0)))

    return explain
