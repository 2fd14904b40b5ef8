"""One member of the ensemble: its network, its recipe and what of a text it is not shown in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

from pydantic import Field, model_validator

from tasks.learning.recipe import Learner, NetworkRecipe, Schedule

if TYPE_CHECKING:
    from tasks.learning.examples import Examples


class Reader(Learner, Schedule):
    """How one network learns texts, as rows of word numbers."""

    embedding: int = Field(ge=0, le=2048, description="numbers that stand for a word; 0: the network's own")
    width: int = Field(ge=0, le=1024, description="numbers of a recurrent state or a window; 0: the network's own")
    layers: int = Field(ge=0, le=8, description="recurrent layers, one on the other; 0: the network's own")
    word_dropout: float = Field(ge=0, lt=1, description="share of the words that a step takes for unknown ones")
    embedding_dropout: float = Field(ge=0, lt=1, description="share of the words' numbers that a step leaves out")


class Member(Reader, NetworkRecipe):
    """How one network learns to tell the classes of texts."""

    domain: ClassVar[str] = "text"
    lesson: ClassVar[str] = "tasks.text.lesson"

    thaw_epochs: int = Field(ge=0, description="passes before each further group of layers learns; 0: all at once")

    def list_frozen_epochs(self, n_groups: int) -> list[int]:
        """Return the passes in which only the head learns, then those with each further group of layers."""
        return [self.head_epochs, *[self.thaw_epochs] * max(0, n_groups - 2)]

    @property
    def own_weights(self) -> str:
        """The weights that a network is built with: those of a language model are loaded into it afterwards."""
        return "none" if self.weights == "pretrained" else self.weights

    @model_validator(mode="after")
    def _check_thawing(self) -> Self:
        if self.thaw_epochs and not self.head_epochs:
            raise ValueError("thaw_epochs needs head_epochs of 1 or more: the head learns first, then what is below it")
        return self


@runtime_checkable
class Measuring(Protocol):
    """A network that measures its training part before it learns."""

    def measure(self, train: Examples) -> None:
        """Take over what it needs of the training part alone."""
