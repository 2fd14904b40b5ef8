"""The fingerprint of a piece of code: a line with a digest for each definition that it can reach."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flows.engine.definitions import Module, hash_text
from flows.engine.errors import EngineError
from flows.engine.project import ROOT
from flows.engine.reach import WHOLE, Node, Signature, Sources

_parsed: dict[Path, tuple[Signature, Module]] = {}
_latest: list[Sources] = []


def fingerprint(definitions: Iterable[str], modules: Iterable[str]) -> str:
    """Return the lines of all that some definitions and whole modules of the project can reach, sorted.

    A definition is named `package.module:name`. Comments, docstrings and formatting change no line. Raises EngineError
    when there is no such definition or module, or a file is no Python.
    """
    key = (frozenset(definitions), frozenset(modules))
    sources = read_sources()
    if key not in sources.texts:
        sources.texts[key] = "".join(f"{line}\n" for line in sorted(_describe(sources, reach(*key))))
    return sources.texts[key]


def reach(definitions: Iterable[str], modules: Iterable[str]) -> set[Node]:
    """Return what definitions and modules of the project can reach. Raises EngineError as `fingerprint` does."""
    sources = read_sources()
    try:
        starts = {node for name in definitions for node in _find_definition(sources, name)}
        return sources.reach(starts | {_find_module(sources, name) for name in modules})
    except SyntaxError as error:
        raise EngineError(f"{error.filename}, line {error.lineno}: {error.msg}") from error


def read_sources() -> Sources:
    """Return the project's sources as they stand now; what was found out about unchanged files is used again."""
    if not _latest or _latest[0].root != ROOT or not _latest[0].is_current():
        _latest[:] = [Sources(ROOT, _parsed)]
    return _latest[0]


def _find_definition(sources: Sources, name: str) -> frozenset[Node]:
    module, _, attribute = name.partition(":")
    found = sources.find(module, attribute)
    if not found:
        raise EngineError(f"{name} is not found in the project: a task is a function at the top level of its module")
    return found


def _find_module(sources: Sources, name: str) -> Node:
    if sources.locate(name) is None:
        raise EngineError(f"there is no module {name!r} in {ROOT}: check the name in the flow or the params file")
    return Node(name, WHOLE)


def _describe(sources: Sources, reached: set[Node]) -> list[str]:
    digests: dict[str, list[str]] = {}
    for node in sorted(node for node in reached if node.index >= 0):
        name = sources.name(node)
        if not name.endswith("."):
            digests.setdefault(name, []).append(sources.digest(node))
        if node.index in sources.read(node.module).ordered:
            # What runs at import may depend on what ran before it.
            digests.setdefault(f"{node.module}:import", []).append(sources.digest(node))
    return [f"{name}  {one[0] if len(one) == 1 else hash_text(' '.join(one))}" for name, one in digests.items()]
