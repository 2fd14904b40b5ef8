"""From a member's settings to its network."""

from torch import nn

from tasks.learning.lesson import Lesson
from tasks.learning.randomness import isolate_randomness
from tasks.learning.recipe import NetworkRecipe


def build_network(member: NetworkRecipe, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the member's network for features of `input_shape`, one example's shape on disk.

    Its module in the domain's members folder is imported by name, so that no other member's code is touched.
    Raises UserError when the member's settings do not fit the network.
    """
    network: nn.Module = member.import_module(member.network_module).build(member, n_classes, input_shape)
    return network


def start_network(member: NetworkRecipe, lesson: Lesson, fold: int) -> nn.Module:
    """Make the member's network with the initial weights that its seed and the round's `fold` give."""
    with isolate_randomness(lesson.device.torch_device, member.seed, fold, "weights"):
        return build_network(member, lesson.n_classes, lesson.input_shape)
