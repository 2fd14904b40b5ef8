"""Any of torchvision's networks for pictures, by the name in `model`."""

from torch import nn

from tasks.images.member import Member
from tasks.images.picture_net import make_picture_net
from tasks.learning.torchvision_networks import build_torchvision


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for pictures of `input_shape` (pixels, pixels, 3)."""
    network = build_torchvision(member.model, n_classes, weights=member.weights, dropout=member.dropout)
    return make_picture_net(member, network)
