"""What is sent to the process of a stage, and what it returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.graph.fingerprint import sign_sources
from flows.engine.graph.reach import Signature, are_current

if TYPE_CHECKING:
    from flows.engine.graph.fingerprint import Code
    from flows.engine.graph.stage import Stage

# The modules, libraries and sources of a stage's code.
CodeParts = tuple[list[str], set[str], Mapping[Path, Signature | None]]
NO_PARTS: CodeParts = ([], set(), {})
_reading = threading.Lock()  # stages begin in several threads, which share what is known of the sources


@dataclass(frozen=True)
class Job:
    """What the process of a stage needs to know about the stage.

    It contains no flow and no params file, so the process imports only the modules of the task and of its sections.
    `modules` are all modules that its code imports, and `libraries` what these import; `sources` are the files from
    which the driver computed the fingerprint. All three are empty when the code has changed since the run began.
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
    modules: list[str]
    libraries: set[str]
    sources: Mapping[Path, Signature | None]
    path: str
    persists: bool

    @classmethod
    def of(cls, stage: Stage) -> Job:
        """Return the job of a stage, with everything resolved that needs the flow."""
        modules, libraries, sources = _read_code(stage) if stage.flow else NO_PARTS
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
            modules=modules,
            libraries=libraries,
            sources=sources,
            path=stage.artifact.path,
            persists=stage.persists,
        )

    def list_modules(self) -> list[str]:
        """Return the names of all modules that the stage may import."""
        return self.modules if self.is_current() else self.code.list_modules()

    def is_current(self) -> bool:
        """Return whether the code on disk is what the driver read. This is much faster than a new fingerprint."""
        return bool(self.sources) and are_current(self.sources)


def _read_code(stage: Stage) -> CodeParts:
    """Return the modules, libraries and sources of a stage's code; empty ones when its fingerprint has changed."""
    with _reading:
        if stage.code.make_fingerprint() != stage.fingerprint:
            return NO_PARTS
        return stage.code.list_modules(), stage.code.list_libraries(), sign_sources()


@dataclass(frozen=True)
class Usage:
    """The cost of computing a stage: seconds in its task function, and its peak memory.

    The memory is the resident set of its process, in bytes, including pages shared with other processes.
    """

    seconds: float
    peak_bytes: int
