"""Finds all project code that a definition or a module can reach, by reading the source, never by importing it.

From a definition, every name is followed to its binding: functions, classes, constants, imported modules, through
aliases and attributes. Importing a reached module runs it and the modules that it imports, so their import-time
effects count too. A module that is used as a value counts as a whole.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from flows.engine.graph.definitions import (
    FUNCTIONS,
    IMPORTS,
    Chain,
    Import,
    Module,
    drop_idle,
    hash_text,
    list_children,
    list_run,
    read_chain,
)

# The values of `Node.place` that are not the index of a statement.
RUN, WHOLE, LIBRARY = -1, -2, -3
# Library decorators that only change the decorated object; other decorators may register it somewhere.
INERT = {
    "abc.abstractmethod",
    "classmethod",
    "contextlib.contextmanager",
    "dataclasses.dataclass",
    "functools.cache",
    "functools.cached_property",
    "functools.lru_cache",
    "functools.total_ordering",
    "functools.wraps",
    "property",
    "pydantic.field_serializer",
    "pydantic.field_validator",
    "pydantic.model_validator",
    "staticmethod",
    "torch.inference_mode",
    "torch.jit.ignore",
    "torch.jit.unused",
    "torch.no_grad",
    "typing.final",
    "typing.overload",
    "typing.override",
    "typing.runtime_checkable",
}
# Library calls whose project-code arguments are used by the returned object only.
KEEPING = {"dataclasses.field", "pydantic.Field", "typing.NewType", "typing.ParamSpec", "typing.TypeVar"}
# Methods of built-in types that have no side effect.
READING = {"copy", "encode", "format", "get", "index", "items", "join", "keys", "lower", "replace", "split", "values"}
LITERALS = (ast.Constant, ast.Dict, ast.List, ast.Set, ast.Tuple)

Signature = tuple[int, int, int, int]


class Node(NamedTuple):
    """A statement of a module by its index, or RUN (its import), WHOLE (all its definitions), LIBRARY (other code)."""

    module: str
    place: int


class Sources:
    """The project's source files at one moment, and the references between them.

    `parsed` keeps parsed files for the next instance.
    """

    def __init__(self, root: Path, parsed: dict[Path, tuple[Signature, Module]]) -> None:
        self.texts: dict[tuple[frozenset[str], frozenset[str]], str] = {}  # the fingerprints computed so far
        self.root = root
        self._parsed = parsed
        self.signed: dict[Path, Signature | None] = {}
        self._located: dict[str, Path | None] = {}
        self._modules: dict[str, Module] = {}
        self._edges: dict[Node, set[Node]] = {}
        self._digests: dict[Node, str] = {}
        self._lookups: dict[tuple[str, Chain], frozenset[Node]] = {}

    def locate(self, name: str) -> Path | None:
        """Return the project file of a dotted module name, or None for a module outside the project."""
        if name not in self._located:
            paths: tuple[Path, ...] = ()
            if "." not in name or self._is_package(name.rpartition(".")[0]):
                base = self.root.joinpath(*name.split("."))
                paths = (base.with_suffix(".py"), base / "__init__.py")
            self._located[name] = next((path for path in paths if self._note(path)), None)
        return self._located[name]

    def is_module(self, name: str) -> bool:
        """Return whether a dotted name is a module or a package of the project."""
        return self.locate(name) is not None or self._is_package(name)

    def read(self, name: str) -> Module:
        """Return a module of the project. Raises SyntaxError when it is not valid Python."""
        if name not in self._modules:
            path = self.locate(name)
            assert path is not None, name
            signed = self._note(path)
            assert signed is not None, name
            if path not in self._parsed or self._parsed[path][0] != signed:
                self._parsed[path] = (signed, Module(name, path))
            self._modules[name] = self._parsed[path][1]
        return self._modules[name]

    def find(self, module: str, name: str) -> frozenset[Node]:
        """Return the statements that bind a name of a module."""
        return self._look_up(module, (name,)) if self.locate(module) else frozenset()

    def reach(self, starts: Iterable[Node]) -> set[Node]:
        """Return all nodes that can be reached from `starts`, including these."""
        seen: set[Node] = set()
        waiting = list(starts)
        lists_subclasses = False
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            waiting += self._find_edges(node) - seen
            if node.place >= 0 and self.read(node.module).read_references(node.place).lists_subclasses:
                lists_subclasses = True
            if not waiting and lists_subclasses:
                waiting += {
                    item for run in seen if run.place == RUN for item in self._find_subclasses(run.module)
                } - seen
        return seen

    def digest(self, node: Node) -> str:
        """Return the digest of a statement, including the targets of the imported names that it uses."""
        if node not in self._digests:
            module = self.read(node.module)
            parts = [module.digest(node.place), str(module.is_lazy)]
            for chain in sorted(module.read_references(node.place).chains):
                if chain[0] in module.imports or (module.stars and chain[0] not in module.binds):
                    names = sorted(self.name(item) for item in self._look_up(node.module, chain))
                    parts.append(f"{'.'.join(chain)} = {', '.join(names)}")
            self._digests[node] = hash_text("\n".join(parts))
        return self._digests[node]

    def name(self, node: Node) -> str:
        """Return the dotted name of a node."""
        if node.place < 0:
            return node.module + (".*" if node.place == WHOLE else "")
        return f"{node.module}.{','.join(self.read(node.module).names.get(node.place, ()))}"

    def _note(self, path: Path) -> Signature | None:
        if path not in self.signed:
            self.signed[path] = _sign(path)
        return self.signed[path]

    def _is_package(self, name: str) -> bool:
        """Return whether a dotted name is a folder of the project; it needs no `__init__.py`."""
        return self.root.joinpath(*name.split(".")).is_dir()

    def _look_up(self, module: str, chain: Chain) -> frozenset[Node]:
        """Return the nodes that a module's name, with attributes, refers to; none for a built-in name."""
        if (module, chain) not in self._lookups:
            self._lookups[module, chain] = frozenset()  # in case of circular imports
            source = self.read(module)
            found = {Node(module, index) for index in source.binds.get(chain[0], ())}
            for target in source.imports.get(chain[0], ()):
                found |= self._resolve(target, chain[1:])
            for star in source.stars if not found else ():
                found |= self._look_up(star, chain) if self.locate(star) else set()
            self._lookups[module, chain] = frozenset(found)
        return self._lookups[module, chain]

    def _resolve(self, target: Import, chain: Chain) -> frozenset[Node] | set[Node]:
        """Return the nodes that an imported name, with attributes, refers to."""
        module, name = target
        if name is None:
            return self._walk(module, chain)
        found = set(self._look_up(module, (name, *chain)) if self.locate(module) else ())
        if self.is_module(f"{module}.{name}"):
            found |= self._walk(f"{module}.{name}", chain)
        if found:
            return found
        return {Node(module, WHOLE) if self.locate(module) else Node(".".join([module, name, *chain]), LIBRARY)}

    def _walk(self, module: str, chain: Chain) -> frozenset[Node] | set[Node]:
        """Return the nodes that a module, with attributes, refers to; an unbound attribute may be any of its names."""
        if not self.is_module(module):
            return {Node(".".join([module, *chain]), LIBRARY)}
        found: set[Node] = set()
        if chain:
            found |= self._look_up(module, chain) if self.locate(module) else set()
            if self.is_module(f"{module}.{chain[0]}"):
                found |= self._walk(f"{module}.{chain[0]}", chain[1:])
        return found or {Node(module, WHOLE)}

    def _find_edges(self, node: Node) -> set[Node]:
        if node not in self._edges:
            finder = {RUN: self._follow_run, WHOLE: self._follow_whole, LIBRARY: lambda node: set()}
            found = finder.get(node.place, self._follow_statement)(node)
            self._edges[node] = {item for item in found if item.place != LIBRARY}
        return self._edges[node]

    def _follow_statement(self, node: Node) -> set[Node]:
        references = self.read(node.module).read_references(node.place)
        found = {Node(node.module, RUN)} | self._run(references.runs)
        for chain in references.chains:
            found |= self._look_up(node.module, chain)
        for target, chain in references.imported:
            found |= self._resolve(target, chain)
        return found

    def _follow_run(self, node: Node) -> set[Node]:
        module = self.read(node.module)
        acting = {Node(node.module, index) for index in module.defined if self._acts(module, module.statements[index])}
        parts = node.module.split(".")
        return acting | self._run([*module.runs, *(".".join(parts[:n]) for n in range(1, len(parts)))])

    def _follow_whole(self, node: Node) -> set[Node]:
        if self.locate(node.module) is None:
            return self._list_submodules(node.module)
        module = self.read(node.module)
        found = {Node(node.module, RUN)} | {Node(node.module, index) for index in module.defined}
        # Names that it imports are attributes of it too.
        for target in (target for targets in module.imports.values() for target in targets if target.name):
            found |= {item for item in self._resolve(target, ()) if item.place >= 0}
        return found | (self._list_submodules(node.module) if module.is_package else set())

    def _list_submodules(self, name: str) -> set[Node]:
        folder = self.root.joinpath(*name.split("."))
        self._note(folder)
        names = [item.stem for item in folder.glob("*.py")] + [
            item.parent.name for item in folder.glob("*/__init__.py")
        ]
        return {Node(f"{name}.{item}", WHOLE) for item in names if item != "__init__"}

    def _run(self, names: Iterable[str]) -> set[Node]:
        return {Node(name, RUN) for name in names if self.locate(name)}

    def _find_subclasses(self, name: str) -> set[Node]:
        """Return the classes of a module that are derived from the project's classes."""
        module = self.read(name)
        classes = ((index, module.statements[index]) for index in module.defined)
        return {
            Node(name, index)
            for index, node in classes
            if isinstance(node, ast.ClassDef) and any(self._is_ours(module, base) for base in node.bases)
        }

    def _acts(self, module: Module, node: ast.stmt) -> bool:
        """Return whether a statement has an effect besides binding names when its module is imported."""
        if isinstance(node, IMPORTS):
            return False
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            stored = [item for target in targets for item in ast.walk(target)]
            if any(isinstance(item, ast.Attribute | ast.Subscript) for item in stored):
                return True
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            if not all(self._is_inert(module, decorator) for decorator in node.decorator_list):
                return True
            if isinstance(node, ast.ClassDef) and (self._has_hook(module, node) or self._any_acts(module, node.body)):
                return True
        elif isinstance(node, ast.If | ast.Try):
            bodies = [item for item in list_children(node) if isinstance(item, ast.stmt)]
            bodies += [item for handler in getattr(node, "handlers", ()) for item in handler.body]
            if self._any_acts(module, bodies):
                return True
        else:
            return True
        return any(self._calls_ours(module, item) for item in list_run(node) if isinstance(item, ast.Call))

    def _any_acts(self, module: Module, body: Iterable[ast.stmt]) -> bool:
        return any(self._acts(module, item) for item in drop_idle(body))

    def _is_inert(self, module: Module, decorator: ast.expr) -> bool:
        chain = read_chain(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if chain[1:] and chain[-1] in ("setter", "deleter"):
            return True
        found = self._look_up(module.name, chain) if chain else ()
        if any(item.place != LIBRARY for item in found):
            return False
        return next((item.module for item in found), ".".join(chain)) in INERT

    def _calls_ours(self, module: Module, call: ast.Call) -> bool:
        """Return whether a call may run or store code of the project."""
        chain = read_chain(call.func)
        found = self._look_up(module.name, chain) if chain else frozenset()
        ours = [item for item in found if item.place != LIBRARY]
        if ours:
            return not (chain[-1] in READING and all(self._is_literal(item) for item in ours))
        if any(item.module in KEEPING for item in found):
            return False
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        return any(self._is_ours(module, item) for value in given for item in list_run(value))

    def _is_literal(self, node: Node) -> bool:
        statement = self.read(node.module).statements[node.place] if node.place >= 0 else None
        return isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, LITERALS)

    def _is_ours(self, module: Module, node: ast.AST) -> bool:
        """Return whether an expression names a function, a class or a module of the project."""
        return any(item.place == WHOLE or self._is_definition(item) for item in self._find_named(module, node))

    def _is_definition(self, node: Node) -> bool:
        if node.place < 0:
            return False
        return isinstance(self.read(node.module).statements[node.place], (*FUNCTIONS, ast.ClassDef))

    def _find_named(self, module: Module, node: ast.AST) -> frozenset[Node]:
        chain = read_chain(node.value if isinstance(node, ast.Subscript) else node)
        return self._look_up(module.name, chain) if chain else frozenset()

    def _has_hook(self, module: Module, node: ast.ClassDef) -> bool:
        """Return whether defining a class runs code of the project: a metaclass, or a base's `__init_subclass__`."""
        if any(self._is_ours(module, item.value) for item in node.keywords if item.arg == "metaclass"):
            return True
        for base in (item for each in node.bases for item in self._find_named(module, each) if item.place != LIBRARY):
            made = self.read(base.module).statements[base.place] if base.place >= 0 else None
            if not isinstance(made, ast.ClassDef):
                return True
            if any("init_subclass" in item.name for item in made.body if isinstance(item, FUNCTIONS)):
                return True
            if made is not node and self._has_hook(self.read(base.module), made):
                return True
        return False


def are_current(signed: Mapping[Path, Signature | None]) -> bool:
    """Return whether no file that was read, or searched for, has changed since it was signed."""
    return all(_sign(path) == signature for path, signature in signed.items())


def _sign(path: Path) -> Signature | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
