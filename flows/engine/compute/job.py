"""What crosses to the process of a stage, and what comes back of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.engine.graph.fingerprint import Code
    from flows.engine.graph.stage import Stage


@dataclass(frozen=True)
class Job:
    """What the process of a stage must know of it.

    It holds no flow and no params file, so that the process imports only the modules of the task and of its sections.
    """

    name: str
    flow: str
    function: Callable[..., None]
    arguments: Mapping[str, Any]
    command: str
    values: Mapping[str, Any]
    tracked: Mapping[str, Any]
    deps: list[str]
    code: Code
    fingerprint: str
    path: str
    persists: bool

    @classmethod
    def of(cls, stage: Stage) -> Job:
        """Return the job of a stage, with what only its flow knows worked out."""
        return cls(
            name=stage.name,
            flow=stage.flow,
            function=stage.function,
            arguments=stage.arguments,
            command=stage.command,
            values=stage.values,
            tracked=stage.tracked,
            deps=stage.deps,
            code=stage.code,
            fingerprint=stage.fingerprint,
            path=stage.artifact.path,
            persists=stage.persists,
        )


@dataclass(frozen=True)
class Usage:
    """What the computation of a stage took: seconds in its task function, and the most memory that it held at once.

    The memory is the resident set of its process, in bytes; what libraries share between processes counts too.
    """

    seconds: float
    peak_bytes: int
