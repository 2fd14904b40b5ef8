"""An exported model as it is asked: by `predict`, and by MLflow's server through the very same code."""

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
# What a file's bytes stand in, base64 in JSON: MLflow's server takes no raw ones.
BINARY = "binary"


class Row(BytesIO):
    """The bytes of a file in a table's row, which messages name by its number."""

    def __init__(self, content: bytes, number: int) -> None:
        super().__init__(content)
        self.number = number

    def __repr__(self) -> str:
        return f"row {self.number}"


@dataclass(frozen=True)
class Served:
    """A model with what it needs to read what it is given.

    `judge` takes files, their bytes or texts, to probabilities (n, classes) float32, `labels` names the classes, and
    `column` what a table holds; `draw_example` makes something to try the model on.
    """

    column: str
    labels: list[str]
    judge: Callable[[Sequence[Any]], NDArray[np.float32]]
    draw_example: Callable[[], bytes | str]

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return each row's probabilities, a column a class: MLflow calls this. Raises UserError naming the row."""
        import pandas as pd

        values = enumerate(model_input[self.column], start=1)
        given = [Row(value, number) if isinstance(value, bytes) else value for number, value in values]
        return pd.DataFrame(self.judge(given), columns=self.labels)

    def make_request(self) -> pd.DataFrame:
        """Return a table to try `predict` on."""
        import pandas as pd

        return pd.DataFrame({self.column: [self.draw_example()]})


def load_script(path: Path) -> Any:
    """Read a TorchScript file. Raises UserError when it is missing or corrupt."""
    import torch

    if not path.is_file():
        raise UserError(f"no exported model at {path}: run the flow first")
    try:
        return torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path} is no TorchScript file that can be read: run the flow's export again") from error


def ask_each(script: Any, inputs: Iterable[Tensor]) -> NDArray[np.float32]:
    """Return the probabilities (n, classes) of inputs asked one by one, each alone in a batch."""
    import torch

    with torch.inference_mode():
        told = [script(one[None])[0].numpy() for one in inputs]
    return np.array(told, np.float32).reshape(-1, len(script.labels))


def load_example(model: Path) -> NDArray[Any]:
    """Return the batch that an exported model was tried on."""
    return np.load(model.with_name("example.npy"), allow_pickle=False)
