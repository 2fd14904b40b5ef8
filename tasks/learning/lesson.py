"""What a network is to learn, and how."""

from dataclasses import dataclass

from tasks.learning.device import Device
from tasks.learning.examples import Parts
from tasks.learning.recipe import Recipe, Schedule
from tasks.learning.transforms import Transforms


@dataclass(frozen=True)
class Cycle:
    """A learning-rate cycle of which this training is a part: epochs of it that came before, and in all."""

    before: int
    epochs: int


@dataclass(frozen=True)
class Lesson:
    """The examples of a round, the recipe and schedule to learn them by, and how a network sees them.

    Where `cycle` is given, the last phase, in which all layers learn, takes its part of it instead of one of its own.
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
