"""What a domain gives the tests of its members: `tests/tasks/DOMAIN/problem.py` makes one for each network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from tasks.learning.lesson import Lesson
from tasks.learning.recipe import TASKS, NetworkRecipe, list_networks
from tests.tasks.learning.toys import COMPUTE

DOMAINS = sorted(path.parent.name for path in TASKS.glob("*/members"))
NETWORKS = [(domain, network) for domain in DOMAINS for network in list_networks(domain)]


@dataclass(frozen=True)
class Problem:
    """A member, and what its lesson reads of a toy data set of three classes, whose fold 5 is held out."""

    member: NetworkRecipe
    inputs: Mapping[str, Any]

    def prepare(self) -> tuple[Lesson, nn.Module]:
        """Return the lesson and the network."""
        return self.member.prepare(COMPUTE, 5, **self.inputs)


def make_problem(root: Path, domain: str, network: str, **values: object) -> Problem:
    """Make the problem of one network, with some of the member's settings changed."""
    problem: Problem = import_module(f"tests.tasks.{domain}.problem").make_problem(root, network, **values)
    return problem
