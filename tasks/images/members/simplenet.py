"""The book's first network (chapter 2): three linear layers on the pixels, for one size only."""

from torch import Tensor, nn

from tasks.images.colour import ColourSpace
from tasks.images.member import Member
from tasks.learning.weights import start_from

OWN_WIDTH = 84
HEAD = ("head.",)


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for pictures of `input_shape` (pixels, pixels, 3); `width` sets the first layer's outputs."""
    if member.sizes == "all":
        fix = "it has a weight for each pixel, so it learns at one size only: set sizes to the name of one size"
        member.refuse("sizes", fix=fix)
    member.require(gradient_checkpointing=False)
    network = SimpleNet(member, n_classes, input_shape)
    start_from(network, member.weights, head=HEAD)
    return network


class SimpleNet(nn.Module):
    """Pictures (batch, 3, pixels, pixels) to logits (batch, classes), with layers of 84 and 50 (scaled by `width`)."""

    def __init__(self, member: Member, n_classes: int, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        height, width, channels = input_shape
        wide = member.width or OWN_WIDTH
        narrow = max(1, wide * 50 // OWN_WIDTH)
        self.colour = ColourSpace(member.colour)
        self.body = nn.Sequential(
            *(nn.Linear(height * width * channels, wide), nn.ReLU()), *(nn.Linear(wide, narrow), nn.ReLU())
        )
        self.head = nn.Sequential(nn.Dropout(member.dropout), nn.Linear(narrow, n_classes))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.body(self.colour(pictures).flatten(1)))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return head and body."""
        return [[self.head], [self.body]]
