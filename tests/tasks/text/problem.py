"""Sixty texts of three classes, on which every network of the domain is tried."""

from pathlib import Path

from tests.tasks.problem import Problem
from tests.tasks.text.toys import FITTING, list_inputs, make_reader, make_texts

# What a network needs beside the recipe, by its name.
NEEDS = FITTING


def make_problem(root: Path, network: str, **values: object) -> Problem:
    """Write texts as word numbers; return the member of a network and what its lesson reads."""
    return Problem(make_reader(network, **values), list_inputs(make_texts(root)))
