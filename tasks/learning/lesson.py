"""A lesson: everything that one training needs besides the network."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.learning.balance import weigh_classes
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
    `n_words` is given where the answer is a word, not a class. `note` says what the network starts from, if it is
    worth a line of the log.
    """

    parts: Parts
    recipe: Recipe
    schedule: Schedule
    transforms: Transforms
    device: Device
    seed: int
    cycle: Cycle | None = None
    n_words: int | None = None
    note: str = ""

    @property
    def n_answers(self) -> int:
        """Number of answers that the network chooses from."""
        return self.n_words or self.n_classes

    @property
    def n_classes(self) -> int:
        """Number of classes in the data."""
        return int(self.parts.train.labels.max()) + 1

    def weigh_classes(self) -> Tensor | None:
        """Return the weights of the classes in the training part (classes), on the device; None without balance."""
        train = self.parts.train
        if self.recipe.get_balance() == "none":
            return None
        return self.device.move(weigh_classes(train.labels[train.rows], self.n_classes))

    def shuffle(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch's batches of the training part, as stored."""
        evenly = self.recipe.get_balance() == "oversample"
        return self.parts.train.shuffled(self.schedule.batch_size, generator, evenly=evenly)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example's features."""
        return tuple(self.parts.train.features.shape[1:])
