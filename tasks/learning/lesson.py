"""What a network is to learn, and how."""

from dataclasses import dataclass

from tasks.learning.device import Device
from tasks.learning.examples import Parts
from tasks.learning.recipe import Recipe
from tasks.learning.step import Augment


@dataclass(frozen=True)
class Lesson:
    """The examples of a round and the recipe to learn them by."""

    parts: Parts
    recipe: Recipe
    augment: Augment
    device: Device
    seed: int

    @property
    def n_classes(self) -> int:
        """Number of classes in the data."""
        return int(self.parts.train.labels.max()) + 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example's features."""
        return tuple(self.parts.train.features.shape[1:])
