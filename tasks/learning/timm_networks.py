"""Networks of timm by name."""

from typing import Any

import timm
from torch import nn

from tasks.errors import UserError
from tasks.learning import lite0
from tasks.learning.library import REFUSALS, LibraryNetwork, Statistics, refuse_unknown


def build_timm(model: str, n_classes: int, *, weights: str, dropout: float) -> LibraryNetwork:
    """Build timm's `model` with `n_classes` outputs.

    `weights` is none, lite0 (`tasks/learning/lite0.py`), pretrained (timm's, downloaded once) or the path of a
    state_dict in timm's layout, whose head is ignored. Raises UserError when there is no such model, and when the
    weights cannot be downloaded or do not match.
    """
    refuse_unknown(model, [*timm.list_models(), *timm.list_pretrained()], "timm")
    body = _create(model, n_classes, dropout, is_pretrained=weights == "pretrained")
    classifier: Any = body.get_classifier()  # type: ignore[operator]
    heads = [classifier] if isinstance(classifier, nn.Module) else list(classifier)
    network = LibraryNetwork(body, heads, _read_statistics(body, model))
    if weights == lite0.NAME:
        network.load_trunk(lite0.read_weights(body.state_dict()), "lite0")
    elif weights not in ("none", "pretrained"):
        network.load_file(weights)
    return network


def _create(model: str, n_classes: int, dropout: float, *, is_pretrained: bool) -> nn.Module:
    try:
        # With scriptable, timm takes TorchScript's variant of a layer where it has two.
        body: nn.Module = timm.create_model(
            model, pretrained=is_pretrained, num_classes=n_classes, drop_rate=dropout, scriptable=True
        )
    except (OSError, *REFUSALS) as error:
        fix = "set weights to none, or to the path of a state_dict" if is_pretrained else "choose another model"
        raise UserError(f"timm cannot build model {model} ({str(error).strip()[:200]}): {fix}") from error
    return body


def _read_statistics(body: nn.Module, model: str) -> Statistics:
    if model == lite0.MODEL:
        return lite0.STATISTICS
    return tuple(body.pretrained_cfg["mean"]), tuple(body.pretrained_cfg["std"])  # type: ignore[index]
