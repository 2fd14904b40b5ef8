"""How a network is trained: what the three domains' members have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self

from pydantic import Field, field_validator, model_validator

from tasks.errors import UserError
from tasks.section import Section

if TYPE_CHECKING:
    from torch import nn

    from tasks.learning.compute import Compute
    from tasks.learning.lesson import Lesson

TASKS = Path(__file__).parents[1]


class Schedule(Section):
    """How long, in what steps and how fast."""

    epochs: int = Field(ge=1, description="passes over the training part with every layer learning")
    batch_size: int = Field(ge=2, description="examples a step")
    lr_scale: float = Field(gt=0, description="factor on the learning rate that the range test found")


class Recipe(Section):
    """The values of one training but its schedule, as the shared loop reads them."""

    optimiser: Literal["adamw", "muon"] = Field(description="adamw; muon: its rule for kernels, AdamW for the rest")
    weight_decay: float = Field(ge=0, lt=1, description="the optimiser's, on weight matrices and kernels only")
    dropout: float = Field(ge=0, lt=1, description="share of the head's inputs that a step leaves out")
    label_smoothing: float = Field(ge=0, lt=1, description="share of the target spread over all classes")
    ema_decay: float = Field(ge=0, lt=1, description="of the running average of the weights; 0: the last ones")
    clip_norm: float = Field(gt=0, description="longest gradient, all parameters together")
    seed: int = Field(ge=0, lt=2**31, description="of everything drawn: weights, order, augmentation, dropout")

    def is_from_scratch(self) -> bool:
        """Tell whether the network starts from weights of its own, drawn by the seed."""
        return True

    def list_frozen_epochs(self, n_groups: int) -> list[int]:
        """Return the passes in which only the head learns, then those with each further one of `n_groups` of layers."""
        return []

    def count_patience(self) -> int:
        """Return the epochs without a better validation loss before stopping; 0: never."""
        return 0

    def trains_batch_norm(self) -> bool:
        """Tell whether batch normalisation learns, and measures anew, while the layers around it are frozen."""
        return False


class Learner(Recipe):
    """A recipe that names the module which prepares its lesson."""

    lesson: ClassVar[str]
    """It is imported by name and only when something is learnt, since it imports torch."""

    def modules(self) -> tuple[str, ...]:
        """Return the lesson's module, which the stages that train import by name."""
        return (self.lesson,)

    def prepare(self, compute: Compute, fold: int, **inputs: Any) -> tuple[Lesson, nn.Module]:
        """Return the lesson of the round that holds out `fold`, and the network with its initial weights."""
        prepared: tuple[Lesson, nn.Module] = self.import_module(self.lesson).prepare(self, compute, fold, **inputs)
        return prepared


class ClassifierRecipe(Learner):
    """The recipe of a network that tells classes: what it starts from, and when it stops."""

    weights: str = Field(min_length=1, description="none, pretrained, or the path of a local state_dict")
    head_epochs: int = Field(ge=0, description="passes before them with only the head learning; 0: none")
    patience: int = Field(ge=0, description="epochs without a better validation loss before stopping; 0: never")

    @model_validator(mode="after")
    def _check_head(self) -> Self:
        if self.head_epochs and self.weights == "none":
            raise ValueError("head_epochs must be 0 with weights none: what is frozen then would stay random")
        return self

    def is_from_scratch(self) -> bool:
        """Tell whether the network starts from weights of its own, drawn by the seed."""
        return self.weights == "none"

    def list_frozen_epochs(self, n_groups: int) -> list[int]:
        """Return the passes in which only the head learns."""
        return [self.head_epochs]

    def count_patience(self) -> int:
        """Return the epochs without a better validation loss before stopping; 0: never."""
        return self.patience

    def files(self) -> tuple[str, ...]:
        """Return the local weights to start from, if any."""
        return () if self.weights in ("none", "pretrained") else (self.weights,)


class NetworkRecipe(ClassifierRecipe):
    """The recipe of one of a domain's own networks; each domain adds its own augmentation."""

    domain: ClassVar[str]
    """The folder of tasks/ whose members it names."""

    network: str = Field(description="name of a module in the domain's members folder")

    @field_validator("network")
    @classmethod
    def _check_network(cls, name: str) -> str:
        known = list_networks(cls.domain)
        if name not in known:
            raise ValueError(
                f"no network is named {name!r}; those in tasks/{cls.domain}/members are {', '.join(known)}"
            )
        return name

    @property
    def network_module(self) -> str:
        """The network's module, whose `build(member, n_classes, input_shape)` makes it."""
        return f"tasks.{self.domain}.members.{self.network}"

    def modules(self) -> tuple[str, ...]:
        """Return the modules of lesson and network, which the stages that train and export it import by name."""
        return (*super().modules(), self.network_module)

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
    """Return a value as it is written in the params."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class ConvolutionRecipe(NetworkRecipe):
    """The recipe of networks whose inputs can be blended and whose layers have batch normalisation."""

    width: int = Field(ge=0, le=1024, description="channels of the first layers; 0: the network's own")
    mixup_alpha: float = Field(ge=0, description="of the Beta distribution of mixing shares; 0: no mixup")
    train_batch_norm: bool = Field(description="head epochs: batch normalisation learns too, and measures anew")

    def trains_batch_norm(self) -> bool:
        """Tell whether batch normalisation learns, and measures anew, while the layers around it are frozen."""
        return self.train_batch_norm


def list_networks(domain: str) -> list[str]:
    """Return the names of the networks that a domain has."""
    return sorted(path.stem for path in (TASKS / domain / "members").glob("*.py") if not path.stem.startswith("_"))
