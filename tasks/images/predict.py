"""Predict picture files with the exported model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.learning.answers import list_files
from tasks.learning.served import BINARY, FILE, Served, load_example, load_script, predict_each
from tasks.report import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.images.decode import Source


GIVEN = "picture (jpeg, png, webp, ...)"


def read_given(given: Sequence[str], folder: Path, report: Report) -> list[Path]:
    """Return the files that a command line names, from `folder`; of a folder all that begin as a picture."""
    return list_files(given, folder, report, kind=GIVEN, is_kind=_is_picture)


def _is_picture(path: Path) -> bool:
    from tasks.images.decode import starts_as_picture

    with path.open("rb") as file:
        return starts_as_picture(file.read(16))


def open_model(model: Path) -> Served:
    """Open an exported model for picture files. Raises UserError when it cannot be read."""
    script = load_script(model)

    def predict_proba(pictures: Sequence[Source]) -> NDArray[np.float32]:
        return predict_each(script, pictures, _read_pixels)

    return Served(BINARY, script.labels, predict_proba, lambda: _draw_png(model))


def _load_pyfunc(data_path: str) -> Served:
    """Open a model stored in MLflow, which requires this function's name."""
    return open_model(Path(data_path, FILE))


def _read_pixels(picture: Source) -> Tensor:
    """Return a picture (3, height, width) uint8."""
    import numpy as np
    import torch

    from tasks.images.decode import read_picture

    return torch.from_numpy(np.array(read_picture(picture))).permute(2, 0, 1)


def _draw_png(model: Path) -> bytes:
    """Return the first picture of the example as a file."""
    from io import BytesIO

    from PIL import Image

    png = BytesIO()
    Image.fromarray(load_example(model)[0].transpose(1, 2, 0)).save(png, "PNG")
    return png.getvalue()
