"""One member of the ensemble: its network, its recipe, its colours and its augmentation."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from tasks.errors import UserError
from tasks.learning.recipe import ConvolutionRecipe


class Member(ConvolutionRecipe):
    """How one network learns pictures. The section `sizes` gives the sizes and the schedule at each."""

    domain: ClassVar[str] = "images"
    lesson: ClassVar[str] = "tasks.images.lesson"
    removed_networks: ClassVar[Mapping[str, str]] = {"resnet18": "write `network: torchvision` with `model: resnet18`"}

    colour: Literal["rgb", "hsv", "lab"] = Field(description="colour space of the network's input")
    sizes: str = Field(
        min_length=1, description="all: each size continues from the previous one; or the name of one size"
    )
    cycle: Literal["each", "all"] = Field(description="one learning-rate cycle at each size, or one over all sizes")
    flip_share: float = Field(ge=0, le=1, description="share of the pictures mirrored left to right")
    vertical_flip_share: float = Field(ge=0, le=1, description="share of the pictures turned upside down")
    crop_scale: float = Field(gt=0, le=1, description="smallest share of the area that a crop keeps; 1: no crop")
    rotation_deg: float = Field(ge=0, le=180, description="largest rotation either way, degrees")
    jitter: float = Field(ge=0, le=1, description="brightness, contrast and saturation: factors 1 - it to 1 + it")
    hue: float = Field(ge=0, le=0.5, description="largest rotation of the hues either way, share of the colour circle")
    rand_augment_ops: int = Field(ge=0, le=8, description="RandAugment's operations per picture; 0: none")
    rand_augment_magnitude: float = Field(
        ge=0, le=30, description="RandAugment's strength of each operation, at most 30"
    )
    erase_share: float = Field(ge=0, le=1, description="share of the pictures with a rectangle of noise in them")
    noise_std: float = Field(ge=0, le=1, description="standard deviation of Gaussian noise; white is 1")
    cutmix_alpha: float = Field(ge=0, description="of the Beta distribution of pasted shares; 0: no CutMix")
    gradient_checkpointing: bool = Field(description="less memory for more time; torchvision and timm only")
    test_flip: bool = Field(description="predict each picture and its mirror image, and use the mean")

    def require_pixels(self, input_shape: tuple[int, ...], smallest: int) -> None:
        """Raise UserError if a side of the pictures (height, width, 3) has fewer pixels than the network can use."""
        side = min(input_shape[:2])
        if side < smallest:
            raise UserError(
                f"{self.network} needs pictures of {smallest} px or more, not {side}: raise pixels of the size, "
                "or set the member's sizes to the name of a larger size"
            )
