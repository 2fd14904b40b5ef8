"""The base of every section of `params/*.yaml`."""

import importlib
from types import ModuleType

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A named group of plain values that someone may change.

    A section is strict (no text where a number belongs), closed (no unknown keys) and frozen; its defaults
    live in YAML only. Each task declares its own section beside itself, so that a new key touches one module.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())

    def modules(self) -> tuple[str, ...]:
        """Return the dotted names of project modules that a task imports because this section names them."""
        return ()

    def import_module(self, name: str) -> ModuleType:
        """Import one of `modules()`; another one raises ValueError, since its code is no input of the stage."""
        if name not in self.modules():
            raise ValueError(f"{type(self).__name__}.modules() is {self.modules()}: add {name} to it")
        return importlib.import_module(name)

    def files(self) -> tuple[str, ...]:
        """Return the paths of files outside the pipeline that this section names: they count as inputs."""
        return ()
