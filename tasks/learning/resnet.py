"""torchvision's residual networks, for all inputs that can be drawn as a three-channel picture."""

from torch import Tensor, nn
from torchvision import models

from tasks.errors import UserError
from tasks.learning.weights import load_weights, start_from

HEAD = ("fc.",)


class ResNet(nn.Module):
    """A torchvision ResNet with a head of its own: pictures (batch, 3, height, width) to logits."""

    def __init__(self, body: models.ResNet) -> None:
        super().__init__()
        self.body = body

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.body(pictures)

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return head, last stage, the one before, and the rest."""
        body = self.body
        return [[body.fc], [body.layer4], [body.layer3], [body.conv1, body.bn1, body.layer1, body.layer2]]


def build_resnet(name: str, n_classes: int, *, weights: str, dropout: float) -> ResNet:
    """Build resnet18, resnet34 or resnet50 with `n_classes` outputs.

    `weights` is none, pretrained (torchvision's ImageNet weights, downloaded once) or the path of a state_dict in
    torchvision's layout, whose head is ignored. Raises UserError when they cannot be downloaded or do not match.
    """
    body: models.ResNet = models.get_model(name, weights=None)
    if weights == "pretrained":
        load_weights(body, _fetch_pretrained(name), source=f"pretrained {name}", head=HEAD)
    else:
        start_from(body, weights, head=HEAD)
    head = nn.Sequential(nn.Dropout(dropout), nn.Linear(body.fc.in_features, n_classes))
    body.add_module("fc", head)  # replaces the head of the thousand ImageNet classes
    return ResNet(body)


def _fetch_pretrained(name: str) -> dict[str, Tensor]:
    try:
        return dict(models.get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"weights pretrained: torchvision's weights for {name} could not be downloaded ({error}); "
            "set weights to none, or to the path of a state_dict downloaded on another machine"
        ) from error
