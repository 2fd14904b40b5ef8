"""Class activation maps: where in a picture, or in a spectrogram, a network saw its class."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.learning.layers import list_layer_groups


def map_activations(network: nn.Module, inputs: Tensor) -> Tensor | None:
    """Return for each input how much each place spoke for the class chosen: (batch, height, width) in 0..1.

    Grad-CAM (Selvaraju 2017) on what the layers below the head put out, enlarged to the inputs' size; None when
    there are no maps. The network is left as it was; its hooks are removed.
    """
    kept: list[Tensor] = []
    hooks = [
        group[-1].register_forward_hook(lambda layer, given, made: kept.append(made))
        for group in list_layer_groups(network)[1:]
    ]
    try:
        with torch.enable_grad():
            logits = network.eval()(inputs.requires_grad_(True))
    finally:
        for hook in hooks:
            hook.remove()
    # The layers ran from the input on: the last of the maps are those nearest to the head.
    maps = [made for made in kept if made.ndim == 4]
    if not maps:
        return None
    last = maps[-1]
    (gradient,) = torch.autograd.grad(logits.amax(1).sum(), last)
    weights = gradient.mean((2, 3), keepdim=True)
    heat = torch.relu((weights * last).sum(1, keepdim=True)).detach()
    heat = F.interpolate(heat, size=inputs.shape[-2:], mode="bilinear", align_corners=False).squeeze(1)
    return heat / heat.amax((1, 2), keepdim=True).clamp(min=1e-12)
