"""The fingerprint of a stage's code: a line with a digest for each definition that it can reach.

The stage depends on a text file with its fingerprint, so DVC notices a changed definition but not a changed comment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.engine.errors import EngineError
from flows.engine.graph.definitions import Module, hash_text
from flows.engine.graph.reach import RUN, WHOLE, Node, Signature, Sources, are_current
from flows.engine.project import ROOT

# The folder of the files with all fingerprints.
FOLDER = "data/code"

_parsed: dict[Path, tuple[Signature, Module]] = {}
_latest: list[Sources] = []


@dataclass(frozen=True)
class Code:
    """The code of a stage: the definitions that it starts from (in the form `module:name`), and a name."""

    name: str
    definitions: frozenset[str]
    modules: frozenset[str]

    @property
    def path(self) -> str:
        """The file that holds the fingerprint, relative to the project."""
        return f"{FOLDER}/{self.name}.txt"

    def read_fingerprint(self) -> str:
        """Return the fingerprint that was last written; empty if there is none."""
        path = ROOT / self.path
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def make_fingerprint(self) -> str:
        """Return the fingerprint of the code that is on disk. Raises EngineError as `fingerprint` does."""
        return fingerprint(self.definitions, self.modules)

    def list_modules(self) -> list[str]:
        """Return the names of all modules that the code imports, at the start or later."""
        return sorted({node.module for node in reach(self.definitions, self.modules) if node.place == RUN})

    def list_libraries(self) -> set[str]:
        """Return the names of the libraries, including the standard library, that those modules import."""
        return _list_libraries(self.list_modules())


def name_changes(before: str, after: str) -> list[str]:
    """Return the names of the definitions that differ between two fingerprints."""
    return sorted({line.split()[0] for line in {*before.splitlines()} ^ {*after.splitlines()}})


def fingerprint(definitions: Iterable[str], modules: Iterable[str]) -> str:
    """Return the sorted lines of everything that some definitions and whole modules of the project can reach.

    A definition is named `package.module:name`. Comments, docstrings and formatting change no line. Raises EngineError
    when there is no such definition or module, or a file is not valid Python.
    """
    key = (frozenset(definitions), frozenset(modules))
    sources = read_sources()
    if key not in sources.texts:
        sources.texts[key] = "".join(f"{line}\n" for line in sorted(_describe(sources, reach(*key))))
    return sources.texts[key]


def reach(definitions: Iterable[str], modules: Iterable[str]) -> set[Node]:
    """Return all nodes that definitions and modules can reach. Raises EngineError as `fingerprint` does."""
    sources = read_sources()
    try:
        starts = {node for name in definitions for node in _find_definition(sources, name)}
        return sources.reach(starts | {_find_module(sources, name) for name in modules})
    except SyntaxError as error:
        raise EngineError(f"{error.filename}, line {error.lineno}: {error.msg}") from error


def find_files(module: str) -> set[str]:
    """Return the project files, relative to its root, that run when a module and all its definitions are used."""
    sources = read_sources()
    paths = (sources.locate(node.module) for node in reach([], [module]) if node.place == RUN)
    return {path.relative_to(ROOT).as_posix() for path in paths if path}


def find_libraries(module: str) -> set[str]:
    """Return the names of the libraries, including the standard library, that those files import."""
    return _list_libraries({node.module for node in reach([], [module]) if node.place == RUN})


def _list_libraries(modules: Iterable[str]) -> set[str]:
    sources = read_sources()
    return {top for name in modules for top in sources.read(name).tops if not sources.is_module(top)}


def sign_sources() -> Mapping[Path, Signature | None]:
    """Return the signature of each source file that was read or searched for; None where there is no such file."""
    return dict(read_sources().signed)


def read_sources() -> Sources:
    """Return the project's current sources; results for unchanged files are reused."""
    if not _latest or _latest[0].root != ROOT or not are_current(_latest[0].signed):
        _latest[:] = [Sources(ROOT, _parsed)]
    return _latest[0]


def _find_definition(sources: Sources, name: str) -> frozenset[Node]:
    module, _, attribute = name.partition(":")
    found = sources.find(module, attribute)
    if not found:
        raise EngineError(f"{name} is not in the project: a task must be a function at the top level of its module")
    return found


def _find_module(sources: Sources, name: str) -> Node:
    if sources.locate(name) is None:
        raise EngineError(f"there is no module {name!r} in {ROOT}: correct the name in the flow or the params file")
    return Node(name, WHOLE)


def _describe(sources: Sources, reached: set[Node]) -> list[str]:
    digests: dict[str, list[str]] = {}
    for node in sorted(node for node in reached if node.place >= 0):
        name = sources.name(node)
        if not name.endswith("."):
            digests.setdefault(name, []).append(sources.digest(node))
        if node.place in sources.read(node.module).ordered:
            # Code that runs at import may depend on the code that ran before it.
            digests.setdefault(f"{node.module}:import", []).append(sources.digest(node))
    return [f"{name}  {parts[0] if len(parts) == 1 else hash_text(' '.join(parts))}" for name, parts in digests.items()]
