"""Picture networks that read spectrograms."""

from torch import Tensor, nn

from tasks.audio.member import Member
from tasks.learning.layers import Normalise
from tasks.learning.library import LibraryNetwork


def make_picture_net(member: Member, network: LibraryNetwork, *, n_bands: int) -> "PictureNet":
    """Make a library's network read spectrograms; its widths are the library's."""
    member.require(features="spectrogram", width=0)
    return PictureNet(n_bands, network)


class PictureNet(nn.Module):
    """A picture network that reads spectrograms (batch, bands, frames) as three equal channels."""

    def __init__(self, n_bands: int, network: LibraryNetwork) -> None:
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
