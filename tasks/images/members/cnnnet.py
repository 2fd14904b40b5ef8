"""The book's convolutional network (chapter 3): AlexNet, pooled to a fixed size, so that it accepts many sizes."""

from torch import Tensor, nn

from tasks.images.colour import ColourSpace
from tasks.images.member import Member
from tasks.learning.weights import start_from

OWN_WIDTH = 64
HEAD = ("head.",)
SMALLEST_PX = 63  # smaller pictures have no pixel left after the convolutions and poolings


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for pictures of `input_shape` (pixels, pixels, 3) or larger ones."""
    member.require(gradient_checkpointing=False)
    member.require_pixels(input_shape, SMALLEST_PX)
    network = CNNNet(n_classes, width=member.width or OWN_WIDTH, colour=member.colour, dropout=member.dropout)
    start_from(network, member.weights, head=HEAD)
    return network


class CNNNet(nn.Module):
    """Pictures (batch, 3, height, width) to logits (batch, classes).

    With a width of 64 it is AlexNet as in torchvision and the book; all channels grow with the width.
    """

    def __init__(self, n_classes: int, *, width: int, colour: str, dropout: float) -> None:
        super().__init__()
        self.colour = ColourSpace(colour)
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, width, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            nn.Sequential(nn.Conv2d(width, 3 * width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            nn.Sequential(nn.Conv2d(3 * width, 6 * width, 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(6 * width, 4 * width, 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4 * width, 4 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        )
        self.pool = nn.AdaptiveAvgPool2d(6)
        self.hidden = nn.Sequential(
            *(nn.Dropout(dropout), nn.Linear(36 * 4 * width, 64 * width), nn.ReLU()),
            *(nn.Dropout(dropout), nn.Linear(64 * width, 64 * width), nn.ReLU()),
        )
        self.head = nn.Linear(64 * width, n_classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.hidden(self.pool(self.features(self.colour(pictures))).flatten(1)))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return head, hidden layers, the last three convolutions, and the first two."""
        layers = list(self.features)
        return [[self.head], [self.hidden], layers[2:], layers[:2]]
