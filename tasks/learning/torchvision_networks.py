"""Networks of torchvision by name."""

from torch import Tensor, nn
from torchvision import models

from tasks.errors import UserError
from tasks.learning.library import LibraryNetwork, Statistics, refuse_unknown


def build_torchvision(model: str, n_classes: int, *, weights: str, dropout: float) -> LibraryNetwork:
    """Build torchvision's `model` with `n_classes` outputs.

    `weights` is none, pretrained (torchvision's newest, downloaded once) or the path of a state_dict in torchvision's
    layout, whose head is ignored. Raises UserError when there is no such model, when its head is not a linear layer,
    and when the weights cannot be downloaded or do not match.
    """
    refuse_unknown(model, models.list_models(module=models), "torchvision")
    body: nn.Module = models.get_model(model, weights=None)
    linear = [(name, layer) for name, layer in body.named_modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise UserError(f"model {model} has no linear layer as its head: choose another model")
    name, head = linear[-1]
    network = LibraryNetwork(body, [head], _read_statistics(model))
    if weights == "pretrained":
        network.load_trunk(_fetch_pretrained(model), f"pretrained {model}")
    elif weights != "none":
        network.load_file(weights)
    _replace_head(body, name, nn.Linear(head.in_features, n_classes), dropout)
    return network


def _replace_head(body: nn.Module, name: str, head: nn.Linear, dropout: float) -> None:
    """Put `head` in the place of the layer `name`; the model's dropout before it, or a new one, drops `dropout`."""
    path, _, last = name.rpartition(".")
    parent = body.get_submodule(path)
    own = [layer for layer in parent.children() if isinstance(layer, nn.Dropout)]
    for layer in own:
        layer.p = dropout
    setattr(parent, last, head if own else nn.Sequential(nn.Dropout(dropout), head))


def _read_statistics(model: str) -> Statistics:
    """Return the normalisation that the model's published weights expect."""
    preset = models.get_model_weights(model).DEFAULT.transforms()
    return tuple(preset.mean), tuple(preset.std)


def _fetch_pretrained(model: str) -> dict[str, Tensor]:
    try:
        return dict(models.get_model_weights(model).DEFAULT.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"weights pretrained: torchvision's weights for {model} could not be downloaded ({error}); "
            "set weights to none, or to the path of a state_dict downloaded on another machine"
        ) from error
