"""Loading state_dicts from files, with checks."""

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tasks.errors import UserError

MAX_NAMED = 5  # keys listed of each kind


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a local state_dict, tensors only. Raises UserError when it is missing, damaged or no state_dict."""
    if not path.is_file():
        raise UserError(
            f"weights {path}: there is no such file; set weights to the path of a state_dict, none or pretrained"
        )
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError, KeyError) as error:
        raise UserError(
            f"weights {path}: cannot be read as a state_dict ({type(error).__name__}): the file is damaged, or holds "
            "more than tensors; write it with torch.save(network.state_dict(), PATH), or set weights to none"
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(
            f"weights {path}: the file holds no state_dict (names and tensors); write it with "
            "torch.save(network.state_dict(), PATH)"
        )
    return dict(content)


def start_from(network: nn.Module, weights: str, *, head: Collection[str]) -> None:
    """Load the weights that a recipe names (none, or a state_dict's path), except those of the head."""
    if weights == "pretrained":
        raise UserError(
            f"weights pretrained: there are no published weights for {type(network).__name__}; "
            "set weights to none, or to the path of a state_dict"
        )
    if weights != "none":
        load_weights(network, read_state_dict(Path(weights)), source=weights, head=head)


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], *, source: str, head: Collection[str]) -> None:
    """Load all weights except those whose names begin with one of `head`; raises UserError naming the differences."""
    wanted = {name: value for name, value in network.state_dict().items() if not _starts(name, head)}
    given = {name: value for name, value in weights.items() if not _starts(name, head)}
    missing = sorted(wanted.keys() - given.keys())
    unknown = sorted(given.keys() - wanted.keys())
    reshaped = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in given and given[name].shape != value.shape
    ]
    if missing or unknown or reshaped:
        differences = [
            _list_names("missing", missing),
            _list_names("unknown", unknown),
            _list_names("of another shape", reshaped),
        ]
        raise UserError(
            f"weights {source} are of another architecture: {'; '.join(filter(None, differences))}. "
            "Set network to the one that they were saved from, or set weights to none"
        )
    network.load_state_dict(given, strict=False)


def _starts(name: str, prefixes: Collection[str]) -> bool:
    return name.startswith(tuple(prefixes))


def _list_names(kind: str, names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{len(names)} {kind} ({', '.join(names[:MAX_NAMED])}{more})" if names else ""
