"""Class activation maps: which places of a picture or spectrogram made a network choose its class."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.learning.layers import list_layer_groups


def map_activations(network: nn.Module, inputs: Tensor) -> Tensor | None:
    """Return how much each place of each input raised the chosen class: (batch, height, width) in 0..1.

    Grad-CAM (Selvaraju 2017) on the outputs of the layers below the head, enlarged to the inputs' size; None if
    no layer has maps as its output. The hooks are removed from the network afterwards.
    """
    outputs: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: outputs.append(output))
        for group in list_layer_groups(network)[1:]
        for layer in group
    ]
    try:
        with torch.enable_grad():
            logits = network.eval()(inputs.requires_grad_(True))
    finally:
        for hook in hooks:
            hook.remove()
    # The layers ran in order, so the last maps are those nearest to the head.
    maps = [output for output in outputs if output.ndim == 4 and output[0, 0].numel() > 1]
    if not maps:
        return None
    last = maps[-1]
    (gradient,) = torch.autograd.grad(logits.amax(1).sum(), last)
    weights = gradient.mean((2, 3), keepdim=True)
    heat = torch.relu((weights * last).sum(1, keepdim=True)).detach()
    heat = F.interpolate(heat, size=inputs.shape[-2:], mode="bilinear", align_corners=False).squeeze(1)
    return heat / heat.amax((1, 2), keepdim=True).clamp(min=1e-12)
