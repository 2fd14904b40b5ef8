"""From a member's settings to its network."""

import importlib

from torch import nn

from tasks.learning.recipe import NetworkRecipe


def build_network(member: NetworkRecipe, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the member's network for features of `input_shape`, one example's shape on disk.

    Its module in the domain's members folder is imported by name, so that no other member's code is touched.
    Raises UserError when the member's settings do not fit the network.
    """
    (name,) = member.modules()
    network: nn.Module = importlib.import_module(name).build(member, n_classes, input_shape)
    return network
