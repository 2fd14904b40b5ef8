"""The blocks of any network, in the order of the network, and their division into layer groups by depth."""

from collections.abc import Collection, Iterator

from torch import nn

N_TRUNK_GROUPS = 3
BLOCKS_PER_GROUP = 2
"""A module with more than a half of a group's layers is divided into the modules that it consists of."""


def divide_layers(body: nn.Module, heads: Collection[nn.Module]) -> list[list[nn.Module]]:
    """Return the heads, then the last, the middle and the first third of the other layers, by their number.

    Each parameter is in one group; parameters of the body itself, such as a class token, are in a `ParameterList`.
    """
    groups: list[list[nn.Module]] = [[] for _ in range(N_TRUNK_GROUPS)]
    blocks = list_blocks(body, heads)
    n_layers, before = sum(map(count_layers, blocks)), 0
    for block in blocks:
        groups[min(N_TRUNK_GROUPS * before // max(n_layers, 1), N_TRUNK_GROUPS - 1)].append(block)
        before += count_layers(block)
    return [list(heads), *reversed(groups)]


def list_blocks(body: nn.Module, heads: Collection[nn.Module]) -> list[nn.Module]:
    """Return the modules with parameters below the heads, each with few enough layers to be divided into groups."""
    most = count_layers(body) // (N_TRUNK_GROUPS * BLOCKS_PER_GROUP)
    return list(_walk(body, heads, most))


def count_layers(module: nn.Module) -> int:
    """Return the number of weight matrices and kernels."""
    return sum(parameter.ndim > 1 for parameter in module.parameters())


def _walk(module: nn.Module, heads: Collection[nn.Module], most: int) -> Iterator[nn.Module]:
    if own := list(module.parameters(recurse=False)):
        yield nn.ParameterList(own)
    for child in module.children():
        if child in heads or not any(True for _ in child.parameters()):
            continue
        inner = set(child.modules())
        is_large = count_layers(child) > most and len(inner) > 1
        if is_large or not inner.isdisjoint(heads):
            yield from _walk(child, heads, most)
        else:
            yield child
