"""Which project files a module needs, found by reading the source, never by importing it."""

import ast
from functools import cache
from pathlib import Path

from flows.engine.errors import EngineError
from flows.engine.project import ROOT


def find_code(module: str) -> set[str]:
    """Return the project files, relative to its root, that run when `module` is imported and used.

    Imports are followed through, also those inside functions; imports for type checkers only are not. A
    package's `__init__.py` counts when it holds code. Raises EngineError when there is no such module.
    """
    files: set[str] = set()
    waiting = [module]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = locate_module(name)
        # A package without code decides nothing.
        if path is None or (path.name == "__init__.py" and not _holds_code(path)):
            continue
        files.add(path.relative_to(ROOT).as_posix())
        waiting += [*read_imports(path, name, path.stat().st_mtime_ns), *_list_packages(name)]
    if not files:
        raise EngineError(f"there is no module {module!r} in {ROOT}: check the name in the flow or the params file")
    return files


def locate_module(name: str) -> Path | None:
    """Return the project file of a dotted module name, or None when it is not one of the project's."""
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _list_packages(name: str) -> list[str]:
    """Return the packages that are imported before the module itself."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _holds_code(path: Path) -> bool:
    body = ast.parse(path.read_bytes()).body
    return any(not isinstance(node, ast.Expr) for node in body)


@cache
def read_imports(path: Path, name: str, mtime_ns: int) -> tuple[str, ...]:
    """Return the dotted names that a source file may import (`mtime_ns` keys the memory of what was read)."""
    visitor = _Imports(name if path.name == "__init__.py" else name.rpartition(".")[0])
    visitor.visit(ast.parse(path.read_bytes(), str(path)))
    return tuple(visitor.found)


class _Imports(ast.NodeVisitor):
    def __init__(self, package: str) -> None:
        self.package = package
        self.found: list[str] = []

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            anchor = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
            base = ".".join([*anchor, base]).rstrip(".")
        # What is imported may itself be a module: `from tasks.audio import clean`.
        self.found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
