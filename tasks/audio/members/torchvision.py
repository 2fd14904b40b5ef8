"""Any of torchvision's networks for pictures, by the name in `model`, reading spectrograms."""

from torch import nn

from tasks.audio.member import Member
from tasks.audio.picture_net import make_picture_net
from tasks.learning.torchvision_networks import build_torchvision


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for spectrograms of `input_shape` (bands, frames)."""
    network = build_torchvision(member.model, n_classes, weights=member.weights, dropout=member.dropout)
    return make_picture_net(member, network, n_bands=input_shape[0])
