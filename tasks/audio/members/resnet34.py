"""torchvision's ResNet-34, reading the spectrogram as a three-channel picture."""

from torch import nn

from tasks.audio.member import Member
from tasks.audio.picture import make_picture_net


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for spectrograms of `input_shape` (bands, frames)."""
    return make_picture_net("resnet34", member, n_classes, input_shape[0])
