"""An exported model, ready to predict: `flows predict`, the try page and MLflow's server all use this class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

FILE = "model.pt"
# The column that holds a file's bytes, base64 in JSON: MLflow's server accepts no raw bytes.
BINARY = "binary"


class FileInRow(BytesIO):
    """The bytes of a file in a row of a table; error messages name the row's number."""

    def __init__(self, content: bytes, number: int) -> None:
        super().__init__(content)
        self.number = number

    def __repr__(self) -> str:
        return f"row {self.number}"


@dataclass(frozen=True)
class Served:
    """A model together with the code that reads its inputs.

    `predict_proba` maps files, their bytes or texts to probabilities (n, classes) float32. `labels` names the
    classes, `column` the column of an input table, and `draw_example` makes an input to try the model on.
    """

    column: str
    labels: list[str]
    predict_proba: Callable[[Sequence[Any]], NDArray[np.float32]]
    draw_example: Callable[[], bytes | str]

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return each row's probabilities, one column per class. MLflow calls this. Raises UserError naming the row."""
        import pandas as pd

        values = enumerate(model_input[self.column], start=1)
        given = [FileInRow(value, number) if isinstance(value, bytes) else value for number, value in values]
        return pd.DataFrame(self.predict_proba(given), columns=self.labels)

    def make_request(self) -> pd.DataFrame:
        """Return a table to try `predict` on."""
        import pandas as pd

        return pd.DataFrame({self.column: [self.draw_example()]})


def load_script(path: Path) -> Any:
    """Read a TorchScript file. Raises UserError when it is missing or corrupt."""
    import torch

    if not path.is_file():
        raise UserError(f"there is no exported model at {path}: run the flow first, `python -m flows run FLOW`")
    try:
        return torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as a TorchScript file ({type(error).__name__}): run the flow again, "
            "`python -m flows run FLOW`"
        ) from error


def ask_each(script: Any, inputs: Iterable[Tensor]) -> NDArray[np.float32]:
    """Return the probabilities (n, classes) of inputs, each predicted in a batch of its own."""
    import torch

    with torch.inference_mode():
        probabilities = [script(single[None])[0].numpy() for single in inputs]
    return np.array(probabilities, np.float32).reshape(-1, len(script.labels))


def load_example(model: Path) -> NDArray[Any]:
    """Return the batch that an exported model was tried on."""
    return np.load(model.with_name("example.npy"), allow_pickle=False)
