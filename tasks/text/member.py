"""The section of a member: its network, its recipe and its dropout of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

from pydantic import Field, model_validator

from tasks.learning.recipe import LessonRecipe, NetworkRecipe, Schedule

if TYPE_CHECKING:
    from tasks.learning.examples import Examples

NONE = "none"


class Reader(LessonRecipe, Schedule):
    """How a network is trained on texts, as rows of word numbers."""

    removed: ClassVar[Mapping[str, str]] = {
        **Schedule.removed,
        "mixup_alpha": "words cannot be blended",
        "train_batch_norm": "no network of texts has batch normalisation",
    }

    embedding: int = Field(ge=0, le=2048, description="size of the word vectors; 0: the network's own")
    width: int = Field(
        ge=0, le=1024, description="size of a recurrent state, or channels of a window; 0: the network's own"
    )
    layers: int = Field(ge=0, le=8, description="number of stacked recurrent layers; 0: the network's own")
    word_dropout: float = Field(ge=0, lt=1, description="share of the words replaced by <unk> in training")
    embedding_dropout: float = Field(ge=0, lt=1, description="share of the word vectors' numbers dropped in training")

    def get_rate_divisor(self) -> float:
        """Return that of Howard and Ruder 2018, section 3.2."""
        return 2.6


class Member(Reader, NetworkRecipe):
    """How a network is trained to classify texts."""

    domain: ClassVar[str] = "text"
    lesson: ClassVar[str] = "tasks.text.lesson"
    renamed: ClassVar[Mapping[str, str]] = {"thaw_epochs": "unfreeze_epochs"}
    removed_networks: ClassVar[Mapping[str, str]] = {"linear": "delete the member; `ngrams.nbsvm` replaces it"}

    vectors: str = Field(min_length=1, description="none, or the path of a text file of word vectors to start from")
    unfreeze_epochs: int = Field(
        ge=0, description="epochs before each further group of layers is unfrozen; 0: all at once"
    )

    def list_frozen_epochs(self, n_groups: int) -> list[int]:
        """Return the epochs in which only the head learns, then those after unfreezing each further group of layers."""
        return [self.head_epochs, *[self.unfreeze_epochs] * max(0, n_groups - 2)]

    def files(self) -> tuple[str, ...]:
        """Return the paths of the initial weights and of the word vectors, if there are any."""
        return super().files() if self.vectors == NONE else (*super().files(), self.vectors)

    @property
    def own_weights(self) -> str:
        """The weights that the network is built with; a language model's encoder is loaded afterwards."""
        return "none" if self.weights == "pretrained" else self.weights

    @model_validator(mode="after")
    def _check_vectors(self) -> Self:
        if NONE not in (self.vectors, self.weights):
            raise ValueError(
                f"vectors is {self.vectors} and weights {self.weights}, which have word vectors too: set one to none"
            )
        return self

    @model_validator(mode="after")
    def _check_unfreezing(self) -> Self:
        if self.unfreeze_epochs and not self.head_epochs:
            raise ValueError(
                f"unfreeze_epochs is {self.unfreeze_epochs} and head_epochs 0: set head_epochs to 1 or more, "
                "because the head learns before the layers below it"
            )
        return self


@runtime_checkable
class Measuring(Protocol):
    """A network that computes statistics of the training part before it is trained."""

    def measure(self, train: Examples) -> None:
        """Set the statistics of the training part."""
