"""From a member's name to its network."""

import importlib

from torch import nn

from tasks.audio.member import Member
from tasks.errors import UserError


def build_network(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the member's network for inputs of `input_shape`: (bands, frames) or (samples,).

    Its module in tasks/audio/members is imported by name, so that no other member's code is touched. Raises
    UserError when the network reads another kind of features than the member says.
    """
    module = importlib.import_module(f"tasks.audio.members.{member.network}")
    if member.features != module.FEATURES:
        raise UserError(
            f"{member.network} reads the {module.FEATURES}, but its member says features: {member.features}; "
            f"set it to {module.FEATURES}"
        )
    network: nn.Module = module.build(member, n_classes, input_shape)
    return network
