"""How a network is trained: what the three domains' members have in common."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.section import Section

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


class ClassifierRecipe(Recipe):
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

    def modules(self) -> tuple[str, ...]:
        """Return the network's module, which the stages that train and export it import by name."""
        return (f"tasks.{self.domain}.members.{self.network}",)


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
