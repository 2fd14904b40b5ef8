"""One source file as its statements: the names that each binds and uses, and its digest.

Uses the standard library only, and imports or runs nothing. A digest is the same on every supported Python
and ignores comments, docstrings and formatting.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
IMPORTS = (ast.Import, ast.ImportFrom)
# A name and the attributes read from it: `np.random.default_rng` is ("np", "random", "default_rng").
Chain = tuple[str, ...]


class Import(NamedTuple):
    """The target of an imported name: a module, or `name` in it."""

    module: str
    name: str | None


@dataclass
class References:
    """The names that a statement uses: of its module, imported by itself, and the modules that those imports run."""

    chains: set[Chain] = field(default_factory=set)
    lists_subclasses: bool = False
    imported: set[tuple[Import, Chain]] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)


class Module:
    """A source file, read but not imported."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.is_package = path.name == "__init__.py"
        self.statements = drop_idle(ast.parse(path.read_bytes(), str(path)).body)
        self.binds: dict[str, list[int]] = {}
        self.imports: dict[str, list[Import]] = {}
        self.runs: set[str] = set()
        self.stars: list[str] = []
        for index, node in enumerate(self.statements):
            self._take(index, node)
        self.is_lazy = "annotations" in self.imports  # from __future__: annotations are not evaluated
        self._references: dict[int, References] = {}
        self._digests: dict[int, str] = {}

    def _take(self, index: int, node: ast.stmt) -> None:
        for name, imports in _find_bindings([node], self.package).items():
            self.imports.setdefault(name, []).extend(imports)
            # An import inside a condition: the condition counts too.
            if not isinstance(node, IMPORTS):
                self.binds.setdefault(name, []).append(index)
        for part in _find_imports(node):
            self.runs |= list_modules(part, self.package)
            if isinstance(part, ast.ImportFrom) and part.names[0].name == "*":
                self.stars.append(_find_base(part, self.package))

    @cached_property
    def names(self) -> dict[int, tuple[str, ...]]:
        """The names that each statement binds, by its index."""
        found: dict[int, list[str]] = {}
        for name, indices in self.binds.items():
            for index in indices:
                found.setdefault(index, []).append(name)
        return {index: tuple(names) for index, names in found.items()}

    @cached_property
    def defined(self) -> list[int]:
        """The indices of all statements but imports."""
        return [index for index, node in enumerate(self.statements) if not isinstance(node, IMPORTS)]

    @cached_property
    def tops(self) -> set[str]:
        """The top-level packages of all modules that the file imports anywhere."""
        waiting: list[ast.AST] = list(self.statements)
        found: set[str] = set()
        while waiting:
            node = waiting.pop()
            if isinstance(node, IMPORTS):
                found |= {name.partition(".")[0] for name in list_modules(node, self.package)}
            waiting += list_children(node)
        return found

    @cached_property
    def ordered(self) -> set[int]:
        """The indices of the statements whose order can matter when the module is imported."""
        return {index for index in self.defined if self._is_ordered(index)}

    def _is_ordered(self, index: int) -> bool:
        names = self.names.get(index, ())
        if not names or any(len(self.binds[name]) > 1 for name in names):
            return True
        return any(isinstance(part, ast.Call) for part in list_run(self.statements[index]))

    def read_references(self, index: int) -> References:
        """Return the names that a statement uses."""
        if index not in self._references:
            reader = _Reader(self.package)
            reader.read(self.statements[index], ())
            self._references[index] = reader.found
        return self._references[index]

    def digest(self, index: int) -> str:
        """Return the digest of a statement."""
        if index not in self._digests:
            self._digests[index] = digest_node(self.statements[index])
        return self._digests[index]


def digest_node(node: ast.AST) -> str:
    """Return a digest of a syntax node, from node types and fields; empty fields and positions do not count."""
    parts: list[str] = []
    _write(node, parts)
    return hash_text("\n".join(parts))


def hash_text(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _write(node: ast.AST, parts: list[str]) -> None:
    parts.append(f"({type(node).__name__}")
    if isinstance(node, ast.Constant):
        parts.append(_write_constant(node.value))
    elif isinstance(node, ast.JoinedStr):
        # Python 3.12 adds an empty string after a nested format.
        _write_field([part for part in node.values if getattr(part, "value", None) != ""], parts)
    else:
        for name in node._fields:
            # `ctx` follows from a node's position.
            if name != "ctx" and (value := getattr(node, name)) not in (None, []):
                parts.append(name)
                _write_field(value, parts)
    parts.append(")")


def _write_field(value: object, parts: list[str]) -> None:
    if isinstance(value, ast.AST):
        _write(value, parts)
    elif isinstance(value, list):
        if value and isinstance(value[0], ast.stmt):
            value = drop_idle(value)
        parts.append(f"[{len(value)}")
        for part in value:
            _write_field(part, parts)
    else:
        parts.append(_write_constant(value))


def _write_constant(value: object) -> str:
    if isinstance(value, str):  # repr() depends on the Unicode tables of the Python version
        return f"str {len(value)} {value}"
    return f"{type(value).__name__} {value:x}" if type(value) is int else f"{type(value).__name__} {value!r}"


def drop_idle(body: Iterable[ast.stmt]) -> list[ast.stmt]:
    """Return the statements that have an effect: no docstring, no other constant, no `pass`."""
    return [node for node in body if not isinstance(node, ast.Pass) and not _is_constant(node)]


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_type_check(node: ast.AST) -> bool:
    """Return whether a statement is `if TYPE_CHECKING:`, whose body never runs."""
    return isinstance(node, ast.If) and read_chain(node.test)[-1:] == ("TYPE_CHECKING",)


def read_chain(node: ast.AST) -> Chain:
    """Return a name with its attributes; empty for any other expression."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else ()


def list_children(node: ast.AST) -> list[ast.AST]:
    """Return a node's children that may run: all but the body of `if TYPE_CHECKING:`."""
    if is_type_check(node):
        return list(node.orelse)  # type: ignore[attr-defined]
    children: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            children += [part for part in value if isinstance(part, ast.AST)]
        elif isinstance(value, ast.AST) and name != "ctx":
            children.append(value)
    return children


def list_run(node: ast.AST) -> list[ast.AST]:
    """Return a node and its descendants that run when its module is imported: no function bodies."""
    found: list[ast.AST] = []
    waiting = [node]
    while waiting:
        found.append(node := waiting.pop())
        if isinstance(node, FUNCTIONS):
            waiting += [*node.decorator_list, node.args, *([node.returns] if node.returns else [])]
        elif isinstance(node, ast.Lambda):
            waiting.append(node.args)
        else:
            waiting += list_children(node)
    return found


def list_modules(node: ast.Import | ast.ImportFrom, package: str) -> set[str]:
    """Return the dotted names of the modules that an import may run; an imported name may be a module too."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    base = _find_base(node, package)
    return {base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")}


def _find_base(node: ast.ImportFrom, package: str) -> str:
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def _find_imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run with a statement, but not those inside functions."""
    if isinstance(node, IMPORTS):
        yield node
    elif not isinstance(node, (*FUNCTIONS, ast.Lambda)):
        for child in list_children(node):
            yield from _find_imports(child)


def _find_bindings(nodes: Sequence[ast.AST], package: str) -> dict[str, list[Import]]:
    """Return the names that code binds in its own scope; imported ones with their targets."""
    bound: dict[str, list[Import]] = {}
    elsewhere: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, IMPORTS):
            for name, target in _read_import(node, package):
                bound.setdefault(name, []).append(target)
            continue
        if isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere |= set(node.names)
        elif bound_name := _find_bound(node):
            bound.setdefault(bound_name, [])
        waiting += _list_same_scope(node)
    return {name: targets for name, targets in bound.items() if name not in elsewhere}


def _read_import(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Import]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or whole, Import(whole, None)
    else:
        base = _find_base(node, package)
        for alias in node.names:
            if alias.name != "*":
                yield alias.asname or alias.name, Import(base, alias.name)


def _find_bound(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return None if isinstance(node.ctx, ast.Load) else node.id
    if isinstance(node, (*DEFINITIONS, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return node.name
    return node.rest if isinstance(node, ast.MatchMapping) else None


def _list_same_scope(node: ast.AST) -> list[ast.AST]:
    """Return a node's children that bind names in the same scope: neither a definition's body nor a comprehension."""
    if isinstance(node, FUNCTIONS):
        return [*node.decorator_list, *_list_defaults(node.args)]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    if isinstance(node, ast.Lambda):
        return _list_defaults(node.args)
    if isinstance(node, COMPREHENSIONS):
        # `:=` binds a name outside the comprehension; the comprehension's own targets do not.
        return [part for part in ast.walk(node) if isinstance(part, ast.NamedExpr)]
    return list(list_children(node))


def _list_defaults(arguments: ast.arguments) -> list[ast.AST]:
    return [*arguments.defaults, *(part for part in arguments.kw_defaults if part is not None)]


class _Reader:
    """Collects the names that code uses, scope by scope: a local name hides a module's name."""

    def __init__(self, package: str) -> None:
        self._package = package
        self.found = References()

    def read(self, node: ast.AST, scopes: tuple[dict[str, list[Import]], ...]) -> None:
        """Collect the names that a node uses; `scopes` holds the local names of the enclosing functions."""
        if isinstance(node, ast.Attribute) and node.attr == "__subclasses__":
            self.found.lists_subclasses = True
        if isinstance(node, IMPORTS):
            self.found.runs |= list_modules(node, self._package)
            # A name imported in a class body is an attribute of the class.
            self.found.imported |= {(target, ()) for _, target in _read_import(node, self._package) if not scopes}
        elif isinstance(node, ast.Name):
            self._add((node.id,), scopes)
        elif isinstance(node, ast.Attribute) and (chain := read_chain(node)):
            self._add(chain, scopes)
        elif isinstance(node, FUNCTIONS):
            self._read_function(node, scopes)
        elif isinstance(node, ast.Lambda):
            self._read_all(_list_defaults(node.args), scopes)
            self.read(node.body, (*scopes, _list_arguments(node.args)))
        elif isinstance(node, COMPREHENSIONS):
            self._read_comprehension(node, scopes)
        else:
            self._read_all(list_children(node), scopes)
            if isinstance(node, ast.arg | ast.AnnAssign):
                self._read_quoted(node.annotation, scopes)

    def _add(self, chain: Chain, scopes: tuple[dict[str, list[Import]], ...]) -> None:
        for scope in reversed(scopes):
            if chain[0] in scope:
                self.found.imported |= {(target, chain[1:]) for target in scope[chain[0]]}
                return
        self.found.chains.add(chain)

    def _read_all(
        self, nodes: Iterator[ast.AST] | Sequence[ast.AST], scopes: tuple[dict[str, list[Import]], ...]
    ) -> None:
        for node in nodes:
            self.read(node, scopes)

    def _read_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, scopes: tuple[dict[str, list[Import]], ...]
    ) -> None:
        outside = [*node.decorator_list, node.args, *([node.returns] if node.returns else [])]
        self._read_all([*outside, *getattr(node, "type_params", [])], scopes)
        self._read_quoted(node.returns, scopes)
        local = _list_arguments(node.args) | _find_bindings(node.body, self._package)
        self._read_all(node.body, (*scopes, local))

    def _read_comprehension(self, node: ast.AST, scopes: tuple[dict[str, list[Import]], ...]) -> None:
        first, *others = node.generators  # type: ignore[attr-defined]
        self.read(first.iter, scopes)
        targets = [part.target for part in (first, *others)]
        inner = (*scopes, _find_bindings(targets, self._package))
        values = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]  # type: ignore[attr-defined]
        self._read_all([*values, *targets, *first.ifs, *others], inner)

    def _read_quoted(self, annotation: ast.AST | None, scopes: tuple[dict[str, list[Import]], ...]) -> None:
        for part in ast.walk(annotation) if annotation else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    self.read(ast.parse(part.value, mode="eval"), scopes)
                except SyntaxError:
                    continue  # a string in Literal[...] or Annotated[...]


def _list_arguments(arguments: ast.arguments) -> dict[str, list[Import]]:
    return {part.arg: [] for part in ast.walk(arguments) if isinstance(part, ast.arg)}
