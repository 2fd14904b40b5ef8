"""An exported model, ready to predict: `flows predict`, the try page and MLflow's server all use this class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.parallel import map_cores

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

Item = TypeVar("Item")

FILE = "model.pt"
BATCH = 64  # files classified together
MOST_BYTES = 256 * 2**20  # of a batch
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


def predict_each(script: Any, given: Sequence[Item], read: Callable[[Item], Tensor]) -> NDArray[np.float32]:
    """Return the probabilities (n, classes) of items, in order; `read` makes an item the script's input.

    Items are read and prepared on all cores, and classified in batches of neighbours whose features have the same
    shapes. Features of at most one batch, and of a few items per core, are in memory. Raises what `read` raises.
    """
    import torch

    prepare, classify = split_script(script)

    def prepare_item(item: Item) -> list[Tensor]:
        with torch.inference_mode():
            return prepare(read(item)[None])

    probabilities = [
        classify([torch.cat(view) for view in zip(*batch, strict=True)]).numpy()
        for batch in batch_features(map_cores(prepare_item, given))
    ]
    return np.concatenate(probabilities or [np.zeros((0, len(script.labels)), np.float32)])


def split_script(script: Any) -> tuple[Callable[[Tensor], list[Tensor]], Callable[[list[Tensor]], Tensor]]:
    """Return a script's two halves: from inputs to the features of each view, and from these to probabilities."""
    import torch

    @torch.inference_mode()
    def classify(features: list[Tensor]) -> Tensor:
        # A model that an earlier version exported has no halves.
        probabilities: Tensor = script.classify(features) if hasattr(script, "classify") else script(features[0])
        return probabilities

    return (script.prepare if hasattr(script, "prepare") else lambda inputs: [inputs]), classify


def batch_features(items: Iterable[list[Tensor]]) -> Iterator[list[list[Tensor]]]:
    """Yield neighbours with features of the same shapes: at most 64, of 256 MB together."""
    batch: list[list[Tensor]] = []
    for features in items:
        most = min(BATCH, MOST_BYTES // sum(view.nbytes for view in features))
        if batch and (len(batch) >= most or [view.shape for view in features] != [view.shape for view in batch[0]]):
            yield batch
            batch = []
        batch.append(features)
    if batch:
        yield batch


def load_example(model: Path) -> NDArray[Any]:
    """Return the batch that an exported model was tried on."""
    return np.load(model.with_name("example.npy"), allow_pickle=False)
