"""Recipes: the settings of a training that the members of all domains share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NoReturn, Self

from pydantic import Field, field_validator, model_validator

from tasks.errors import UserError
from tasks.section import Section

if TYPE_CHECKING:
    from torch import nn

    from tasks.learning.compute import Compute
    from tasks.learning.lesson import Lesson

TASKS = Path(__file__).parents[1]
BatchNorm = Literal["with_layers", "always", "never"]
LIBRARIES = ("timm", "torchvision")
LITE0, LITE0_MODEL = "lite0", "tf_efficientnet_lite0"

Balance = Literal["none", "weights", "oversample"]


class Schedule(Section):
    """The length of a training and its batch size."""

    epochs: int = Field(ge=1, description="passes over the training part with every layer learning")
    batch_size: int = Field(ge=2, description="examples per step")


class Recipe(Section):
    """The settings of a training, without its schedule, that the shared loop reads."""

    removed: ClassVar[Mapping[str, str]] = {"lr_scale": "the range test's rate is used as it is; lr may give another"}

    lr: Literal["auto"] | Annotated[float, Field(gt=0)] = Field(
        description="peak learning rate; auto: the range test chooses it"
    )
    optimiser: Literal["adamw", "muon"] = Field(description="adamw; or muon: Muon for kernels, AdamW for the rest")
    weight_decay: float = Field(ge=0, lt=1, description="of the optimiser, for weight matrices and kernels only")
    dropout: float = Field(ge=0, lt=1, description="share of the head's inputs dropped in training")
    label_smoothing: float = Field(ge=0, lt=1, description="share of the target distributed over all classes")
    ema_decay: float = Field(ge=0, lt=1, description="decay of the running average of the weights; 0: no average")
    clip_norm: float = Field(gt=0, description="largest norm of the gradient, over all parameters")
    seed: int = Field(ge=0, lt=2**31, description="of all random numbers: weights, order, augmentation, dropout")

    def is_from_scratch(self) -> bool:
        """Return whether the network starts from random weights."""
        return True

    def list_frozen_epochs(self, n_groups: int) -> list[int]:
        """Return the epochs in which only the head learns, then those after each further one of `n_groups`."""
        return []

    def count_learning(self, n_groups: int) -> int:
        """Return how many of `n_groups` layer groups, from the head on, learn in the end."""
        return n_groups

    def count_patience(self) -> int:
        """Return the epochs without a better validation loss before stopping; 0: never."""
        return 0

    def get_balance(self) -> Balance:
        """Return how the loss or the draws make up for classes with few examples."""
        return "none"

    def choose_batch_norm(self) -> BatchNorm:
        """Return when batch normalisation learns: with the layers around it, always, or never."""
        return "with_layers"

    def get_rate_divisor(self) -> float:
        """Return the divisor of the learning rate from each layer group to the next one towards the input.

        It is used with given weights only, and is that of fast.ai and the book's chapter 4.
        """
        return 3.0


class LessonRecipe(Recipe):
    """A recipe that names the module that prepares its lesson."""

    lesson: ClassVar[str]
    """The module is imported by name, and only for training, because it imports torch."""

    def modules(self) -> tuple[str, ...]:
        """Return the lesson's module, which the stages that train import by name."""
        return (self.lesson,)

    def prepare(self, compute: Compute, fold: int, **inputs: Any) -> tuple[Lesson, nn.Module]:
        """Return the lesson of the round that holds out `fold`, and the network with its initial weights."""
        prepared: tuple[Lesson, nn.Module] = self.import_module(self.lesson).prepare(self, compute, fold, **inputs)
        return prepared


class ClassifierRecipe(LessonRecipe):
    """The recipe of a classifier: its initial weights, how it learns rare classes, and when it stops."""

    weights: str = Field(min_length=1, description="none, pretrained, lite0, or the path of a local state_dict")
    head_epochs: int = Field(ge=0, description="epochs before the others in which only the head learns; 0: none")
    patience: int = Field(ge=0, description="epochs without a better validation loss before stopping; 0: never")
    balance: Balance = Field(
        description="none; weights: rare classes weigh more in the loss; oversample: every class drawn equally often"
    )

    @model_validator(mode="after")
    def _check_head(self) -> Self:
        if self.head_epochs and self.weights == "none":
            raise ValueError(
                f"head_epochs is {self.head_epochs}, but must be 0 with weights none: frozen layers stay random"
            )
        return self

    def is_from_scratch(self) -> bool:
        """Return whether the network starts from random weights."""
        return self.weights == "none"

    def list_frozen_epochs(self, n_groups: int) -> list[int]:
        """Return the epochs in which only the head learns."""
        return [self.head_epochs]

    def count_patience(self) -> int:
        """Return the epochs without a better validation loss before stopping; 0: never."""
        return self.patience

    def get_balance(self) -> Balance:
        """Return how the loss or the draws make up for classes with few examples."""
        return self.balance

    def files(self) -> tuple[str, ...]:
        """Return the path of the initial weights, if they are a local file."""
        return () if self.weights in ("none", "pretrained", LITE0) else (self.weights,)


class NetworkRecipe(ClassifierRecipe):
    """The recipe of a network of the domain's members folder; each domain adds its augmentation."""

    domain: ClassVar[str]
    """The folder of tasks/ that has the members folder."""
    removed_networks: ClassVar[Mapping[str, str]] = {}
    """Former networks, each with what replaces it."""

    network: str = Field(description="name of a module in the domain's members folder")

    @field_validator("network")
    @classmethod
    def _check_network(cls, name: str) -> str:
        known = list_networks(cls.domain)
        if name in cls.removed_networks:
            raise ValueError(f"was removed: {cls.removed_networks[name]}")
        if name not in known:
            raise ValueError(f"there is no network {name!r}; tasks/{cls.domain}/members has {', '.join(known)}")
        return name

    @property
    def network_module(self) -> str:
        """The network's module; its `build(member, n_classes, input_shape)` returns the network."""
        return f"tasks.{self.domain}.members.{self.network}"

    @property
    def library_model(self) -> str:
        """The name of the model in its library; empty for the project's own networks."""
        return ""

    def modules(self) -> tuple[str, ...]:
        """Return the modules of lesson and network, which the stages that train and export it import by name."""
        return (*super().modules(), self.network_module)

    def without_weights(self) -> Self:
        """Return the recipe of the same network with random initial weights."""
        return self.model_copy(update={"weights": "none"})

    def require(self, **values: object) -> None:
        """Raise UserError unless each setting has the one value that the network can use."""
        wrong = [key for key, value in values.items() if getattr(self, key) != value]
        if wrong:
            self.refuse(*wrong, fix="set " + ", ".join(f"{key} to {_spell(values[key])}" for key in wrong))

    def refuse(self, *keys: str, fix: str) -> NoReturn:
        """Raise UserError: the network cannot use the values of these settings, and `fix` says what to do."""
        given = ", ".join(f"{key} {_spell(getattr(self, key))}" for key in keys)
        raise UserError(f"{self.network} cannot use {given}: {fix}")


def _spell(value: object) -> str:
    """Return a value as written in YAML."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class ConvolutionRecipe(NetworkRecipe):
    """The recipe of networks whose inputs can be blended and whose layers have batch normalisation."""

    model: str = Field(description="name of the model, for network torchvision or timm; empty for other networks")
    width: int = Field(ge=0, le=1024, description="channels of the first layers; 0: the network's own")
    mixup_alpha: float = Field(ge=0, description="of the Beta distribution of mixing shares; 0: no mixup")
    train_layers: Literal["all", "head"] = Field(
        description="the layers that learn: all; or head: the others keep the given weights"
    )
    rate_divisor: float = Field(
        ge=1, le=100, description="of the learning rate, from a layer group to the next one towards the input"
    )
    train_batch_norm: BatchNorm = Field(
        description="when batch normalisation learns and updates its statistics: with_layers: not in the head epochs; "
        "always: in the head epochs too; never: it keeps those of the given weights"
    )

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if (self.network in LIBRARIES) != bool(self.model):
            fix = "a model's name" if self.network in LIBRARIES else "empty"
            raise ValueError(f"model is {self.model!r}, but must be {fix} with network {self.network}")
        if self.weights == LITE0 and (self.network, self.model) != ("timm", LITE0_MODEL):
            raise ValueError(f"weights {LITE0} are those of network timm with model {LITE0_MODEL} only")
        if self.train_layers == "head" and (self.weights == "none" or self.head_epochs):
            raise ValueError(
                f"train_layers is head, with weights {self.weights} and head_epochs {self.head_epochs}: give weights, "
                "and set head_epochs to 0, because the head learns alone in all epochs"
            )
        if self.train_batch_norm == "never" and self.weights == "none":
            raise ValueError("train_batch_norm is never, but with weights none it has nothing to keep: set with_layers")
        return self

    @property
    def library_model(self) -> str:
        """The name of the model in its library; empty for the project's own networks."""
        return self.model

    def count_learning(self, n_groups: int) -> int:
        """Return how many of `n_groups` layer groups learn in the end: all of them, or only the head."""
        return n_groups if self.train_layers == "all" else 1

    def choose_batch_norm(self) -> BatchNorm:
        """Return when batch normalisation learns: with the layers around it, always, or never."""
        return self.train_batch_norm

    def get_rate_divisor(self) -> float:
        """Return the setting."""
        return self.rate_divisor


def list_networks(domain: str) -> list[str]:
    """Return the names of a domain's networks."""
    return sorted(path.stem for path in (TASKS / domain / "members").glob("*.py") if not path.stem.startswith("_"))
