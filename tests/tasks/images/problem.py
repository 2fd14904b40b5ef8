"""Sixty pictures of three classes, on which every network of the domain is tried."""

from pathlib import Path

from tests.tasks.images.toys import make_learner, make_pictures, make_size
from tests.tasks.problem import Problem

# What a network needs beside the recipe, by its name.
NEEDS: dict[str, dict[str, object]] = {
    "simplenet": {"sizes": "small"},
    "timm": {"model": "test_resnet"},
    "torchvision": {"model": "resnet18"},
    **{name: {"width": 4} for name in ("cnnnet", "compactnet", "xresnet")},
}
PIXELS = 64


def make_problem(root: Path, network: str, **values: object) -> Problem:
    """Write pictures; return the member of a network and what its lesson reads."""
    member = make_learner(**{"network": network, "width": 0, **NEEDS.get(network, {}), **values})
    toy = make_pictures(root, (PIXELS,))
    inputs = {"features": [toy.folder(f"px{PIXELS}")], "folds": toy.folder("folds"), "size": make_size(PIXELS)}
    return Problem(member, inputs)
