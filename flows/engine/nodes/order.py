"""What a node is asked for: one stage, with what determines its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from flows.engine.cache.store import Wanted
from flows.engine.errors import EngineError
from flows.engine.graph.stage import Stage
from flows.engine.machine import read_versions


@dataclass(frozen=True)
class Order:
    """One stage: its key in DVC's run cache, the md5 of each input by path, and the driver's library versions.

    The node computes the key too. Equal keys mean the same command, code, params, inputs and output paths.
    """

    stage: str
    key: str
    inputs: dict[str, str]
    force: bool
    versions: dict[str, str]

    @classmethod
    def of(cls, stage: Stage, wanted: Wanted) -> Order:
        """Return the order of a stage."""
        inputs = {path: wanted.inputs[path] for path in stage.deps}
        return cls(stage.name, wanted.key, inputs, wanted.force, read_versions())

    def as_line(self) -> str:
        """Return the order as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    def refuse_other_versions(self, here: Mapping[str, str]) -> None:
        """Raise EngineError when this machine has other versions of Python or a library than the driver."""
        wanted = self.versions
        if others := [name for name in sorted({*wanted, *here}) if wanted.get(name) != here.get(name)]:
            name = others[0]
            raise EngineError(
                f"this node has {name} {here.get(name, 'not installed')}, the driver has {wanted.get(name, 'none')}: "
                "both need the same version, because results could differ; `make doctor` in both checkouts installs "
                "the pinned packages"
            )
