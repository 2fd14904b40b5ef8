"""The base of every section of `params/*.yaml`."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict


class Need(NamedTuple):
    """What a training keeps busy: a share of the cores, at most 1; or so many GPUs, where there are any."""

    cores: float
    gpus: int


class Section(BaseModel):
    """A named group of plain values that users may change.

    A section is strict (no text in place of a number), closed (no unknown keys) and frozen; its defaults are only in
    YAML. Each task declares its section in its own module, so that a new key changes a single module.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())

    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of keys, each with its present name: a params file that has one is refused with the other."""
    removed: ClassVar[Mapping[str, str]] = {}
    """Former keys that are gone, each with the reason, with which a params file that has one is refused."""

    def modules(self) -> tuple[str, ...]:
        """Return the dotted names of project modules that a task imports because this section names them."""
        return ()

    def import_module(self, name: str) -> ModuleType:
        """Import a module of `modules()`. Raises ValueError for others, because their code is no input of the stage."""
        if name not in self.modules():
            raise ValueError(f"{type(self).__name__}.modules() is {self.modules()}: add {name} to it")
        return importlib.import_module(name)

    def files(self) -> tuple[str, ...]:
        """Return the paths of files outside the pipeline that this section names; they are inputs of the stage."""
        return ()

    def need(self) -> Need | None:
        """Return what a training with this section keeps busy, if this section says it; never part of the result."""
        return None
