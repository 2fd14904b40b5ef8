"""The best weights so far by validation loss, and early stopping."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass
class BestWeights:
    """The weights with the lowest validation loss, and the number of epochs since.

    With a patience of 0 the training never stops early.
    """

    patience: int
    loss: float = math.inf
    epochs_since: int = 0
    weights: dict[str, Tensor] | None = None

    def offer(self, loss: float, weights: dict[str, Tensor]) -> None:
        """Keep a copy of the weights if their loss is the lowest so far."""
        if loss < self.loss:
            self.loss, self.epochs_since = loss, 0
            self.weights = {name: value.detach().clone() for name, value in weights.items()}
        else:
            self.epochs_since += 1

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return 0 < self.patience <= self.epochs_since

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"loss": self.loss, "epochs_since": self.epochs_since, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.loss, self.epochs_since, self.weights = state["loss"], state["epochs_since"], state["weights"]
