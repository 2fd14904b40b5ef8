"""A lesson: everything that one training needs besides the network."""

from dataclasses import dataclass

from tasks.learning.device import Device
from tasks.learning.examples import Parts
from tasks.learning.recipe import Recipe, Schedule
from tasks.learning.transforms import Transforms


@dataclass(frozen=True)
class Cycle:
    """A learning-rate cycle that several trainings share: the epochs `before` this training, and `epochs` in all."""

    before: int
    epochs: int


@dataclass(frozen=True)
class Lesson:
    """The examples of a round, the recipe and schedule of the training, and the transforms of a batch.

    If `cycle` is given, the last phase, in which all layers learn, runs its share of that cycle, not a whole cycle.
    """

    parts: Parts
    recipe: Recipe
    schedule: Schedule
    transforms: Transforms
    device: Device
    seed: int
    cycle: Cycle | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes in the data."""
        return int(self.parts.train.labels.max()) + 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example's features."""
        return tuple(self.parts.train.features.shape[1:])
