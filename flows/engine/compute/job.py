"""What is sent to the process of a stage, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.engine.graph.fingerprint import Code
    from flows.engine.graph.stage import Stage


@dataclass(frozen=True)
class Job:
    """What the process of a stage needs to know about the stage.

    It contains no flow and no params file, so the process imports only the modules of the task and of its sections.
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
        """Return the job of a stage, with everything resolved that needs the flow."""
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
    """The cost of computing a stage: seconds in its task function, and its peak memory.

    The memory is the resident set of its process, in bytes, including pages shared with other processes.
    """

    seconds: float
    peak_bytes: int
