"""Builds a member's network from its settings."""

from types import ModuleType
from typing import Protocol, Self

from torch import nn

from tasks.learning.layers import choose_learning, list_layer_groups
from tasks.learning.lesson import Lesson
from tasks.learning.library import check_network
from tasks.learning.randomness import isolate_randomness
from tasks.learning.recipe import NetworkRecipe


class Buildable(Protocol):
    """A section that names the module whose `build(section, n_classes, input_shape)` returns its network."""

    @property
    def network_module(self) -> str:
        """The module's dotted name."""

    def import_module(self, name: str) -> ModuleType:
        """Import a module that the section names."""

    def without_weights(self) -> Self:
        """Return the section of the same network without the initial weights that a file would bring."""


def build_network(member: Buildable, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Build the member's network for features of `input_shape`, the shape of one example on disk.

    Its module in the domain's members folder is imported by name, so that a fit depends on no other member's code.
    Raises UserError when the network cannot use the member's settings.
    """
    network: nn.Module = member.import_module(member.network_module).build(member, n_classes, input_shape)
    return network


def start_network(member: NetworkRecipe, lesson: Lesson, fold: int) -> nn.Module:
    """Build the member's network with initial weights drawn from its seed and the round's `fold`.

    Raises UserError when the network cannot take the lesson's examples, or could not be exported once it is trained.
    """
    with isolate_randomness(lesson.device.torch_device, member.seed, fold, "weights"):
        network = build_network(member, lesson.n_classes, lesson.input_shape)
    n_learning = member.count_learning(len(list_layer_groups(network)))
    choose_learning(network, n_learning, batch_norm=member.choose_batch_norm())  # for the range test too
    if member.library_model:
        check_network(network, member.library_model, lesson)
    return network
