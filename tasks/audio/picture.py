"""Picture networks that read spectrograms."""

from torch import Tensor, nn

from tasks.audio.member import Member
from tasks.learning.layers import Normalise
from tasks.learning.resnet import ResNet, build_resnet


def make_picture_net(name: str, member: Member, n_classes: int, n_bands: int) -> "PictureNet":
    """Make the ResNet `name` for spectrograms; its widths are torchvision's."""
    member.require(features="spectrogram", width=0)
    return PictureNet(n_bands, build_resnet(name, n_classes, weights=member.weights, dropout=member.dropout))


class PictureNet(nn.Module):
    """A picture network that reads spectrograms (batch, bands, frames) as three equal channels."""

    def __init__(self, n_bands: int, network: ResNet) -> None:
        super().__init__()
        self.normalise = Normalise(n_bands)
        self.network = network

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        picture = self.normalise(spectrograms).unsqueeze(1)
        return self.network(picture.expand(-1, 3, -1, -1))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the picture network's groups."""
        return self.network.layer_groups()
