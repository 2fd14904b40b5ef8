"""How a network is trained: what the three domains' members have in common."""

from typing import Self

from pydantic import Field, model_validator

from tasks.section import Section


class Recipe(Section):
    """The values of one training; each domain adds its own augmentation."""

    network: str = Field(description="name of a module in the domain's members folder")
    width: int = Field(ge=0, le=1024, description="channels of the first layers; 0: the network's own")
    weights: str = Field(min_length=1, description="none, pretrained, or the path of a local state_dict")
    epochs: int = Field(ge=1, description="passes over the training part with every layer learning")
    head_epochs: int = Field(ge=0, description="passes before them with only the head learning; 0: none")
    batch_size: int = Field(ge=2, description="examples a step")
    lr_scale: float = Field(gt=0, description="factor on the learning rate that the range test found")
    weight_decay: float = Field(ge=0, lt=1, description="AdamW's, on weight matrices and kernels only")
    dropout: float = Field(ge=0, lt=1, description="share of the head's inputs that a step leaves out")
    label_smoothing: float = Field(ge=0, lt=1, description="share of the target spread over all classes")
    mixup_alpha: float = Field(ge=0, description="of the Beta distribution of mixing shares; 0: no mixup")
    ema_decay: float = Field(ge=0, lt=1, description="of the running average of the weights; 0: the last ones")
    clip_norm: float = Field(gt=0, description="longest gradient, all parameters together")
    patience: int = Field(ge=0, description="epochs without a better validation loss before stopping; 0: never")
    seed: int = Field(ge=0, lt=2**31, description="of everything drawn: weights, order, augmentation, dropout")

    @model_validator(mode="after")
    def _check_head(self) -> Self:
        if self.head_epochs and self.weights == "none":
            raise ValueError("head_epochs must be 0 with weights none: what is frozen then would stay random")
        return self

    def files(self) -> tuple[str, ...]:
        """Return the local weights to start from, if any."""
        return () if self.weights in ("none", "pretrained") else (self.weights,)
