"""What a network is to learn, and how."""

from dataclasses import dataclass

from tasks.learning.device import Device
from tasks.learning.examples import Parts
from tasks.learning.recipe import Recipe, Schedule
from tasks.learning.views import Views


@dataclass(frozen=True)
class Lesson:
    """The examples of a round, the recipe and schedule to learn them by, and how a network sees them."""

    parts: Parts
    recipe: Recipe
    schedule: Schedule
    views: Views
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
