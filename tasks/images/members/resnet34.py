"""torchvision's ResNet-34."""

from torch import nn

from tasks.images.member import Member
from tasks.images.residual import make_picture_net


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for pictures of `input_shape` (pixels, pixels, 3) or any other size."""
    return make_picture_net("resnet34", member, n_classes)
