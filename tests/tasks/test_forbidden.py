"""A task reads only its artifacts, its sections, the files that these name, and its code: what else it could read is
forbidden in `tasks/`, because no fingerprint would cover it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.engine.project import ROOT

# The one method that imports a module by a string, which its section's `modules()` must name.
IMPORTER = ("tasks/section.py", "Section", "import_module")
# Libraries that import by a string, or that give access to what is forbidden below.
LIBRARIES = {"builtins", "importlib", "pkgutil", "runpy", "zipimport"}
# Names that no code may use, neither bare, nor as an attribute, nor by `getattr`. Of the built-in functions, methods of
# the same name (`network.eval()`) are allowed.
BUILTINS = {"__builtins__", "__import__", "compile", "eval", "exec", "globals"}
ENVIRONMENT = {"environ", "environb", "expandvars", "getenv", "getenvb"}
# `__file__` is allowed: it gives the project's folder, from which the paths in the params count.
SOURCE = {"__doc__", "getcomments", "getdoc", "getsource", "getsourcefile", "getsourcelines", "linecache"}
ATTRIBUTES = ENVIRONMENT | SOURCE | (BUILTINS - {"compile", "eval", "exec"})


def find_forbidden(tree: ast.AST) -> list[str]:
    """Return what is forbidden in a source, each with its line."""
    return [f"{name}, line {node.lineno}" for node in ast.walk(tree) for name in _find_names(node)]  # type: ignore[attr-defined]


def _find_names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from {one.name for one in names if one.name.partition(".")[0] in LIBRARIES | SOURCE}
        case ast.ImportFrom(module=module, names=names):
            if (module or "").partition(".")[0] in LIBRARIES | SOURCE:
                yield str(module)
            yield from {one.name for one in names} & (ATTRIBUTES | BUILTINS)
        case ast.Name(id=name) if name in ATTRIBUTES | BUILTINS:
            yield name
        case ast.Attribute(attr=name) if name in ATTRIBUTES:
            yield name
        case ast.Constant(value=str(name)) if name in ATTRIBUTES | BUILTINS:
            yield repr(name)


def drop_importer(tree: ast.Module, class_name: str, method: str) -> ast.Module:
    """Remove a method, and the import of `importlib` where nothing else uses it."""
    for owner in (one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == class_name):
        owner.body = [one for one in owner.body if getattr(one, "name", None) != method]
    if not any(isinstance(one, ast.Name) and one.id == "importlib" for one in ast.walk(tree)):
        tree.body = [one for one in tree.body if ast.unparse(one) != "import importlib"]
    return tree


def read_tree(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    file, *place = IMPORTER
    return drop_importer(tree, *place) if path == ROOT / file else tree


def list_strays(folder: Path) -> list[str]:
    """Return the files that are neither Python nor its bytecode."""
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    return sorted(
        path.relative_to(folder).as_posix()
        for path in files
        if path.suffix != ".py" and path.parent.name != "__pycache__"
    )


def test_tasks_use_nothing_that_no_fingerprint_covers() -> None:
    files = sorted((ROOT / "tasks").rglob("*.py"))
    assert len(files) > 150
    found = {path.relative_to(ROOT).as_posix(): find_forbidden(read_tree(path)) for path in files}
    assert {name: each for name, each in found.items() if each} == {}


def test_tasks_hold_python_files_alone() -> None:
    assert list_strays(ROOT / "tasks") == []


REFUSED = {
    "environ": "import os\nlevel = os.environ['LEVEL']",
    "environ by an alias": "import os as system\nlevel = system.environ.get('LEVEL')",
    "environ by its name": "from os import environ as settings",
    "environ in a function": "def f():\n    from os import environb",
    "environ by getattr": "import os\nlevel = getattr(os, 'environ')",
    "environ in a path": "import os.path\nplace = os.path.expandvars('$HOME')",
    "getenv": "import os\n\ndef f(level=os.getenv('LEVEL')): ...",
    "eval": "value = eval('1')",
    "eval under another name": "compute = eval",
    "exec": "exec('a = 1')",
    "compile": "compile('a = 1', '', 'exec')",
    "a built-in of its module": "import builtins\nbuiltins.eval('1')",
    "globals": "def f():\n    return globals()['f']",
    "a module's docstring": "print(__doc__)",
    "a function's docstring": "def f(): ...\n\ntext = f.__doc__",
    "a docstring by getattr": "text = getattr(print, '__doc__')",
    "a docstring by inspect": "import inspect\ntext = inspect.getdoc(print)",
    "getsource": "import inspect\ntext = inspect.getsource(print)",
    "getsource by its name": "from inspect import getsource",
    "a source line": "import linecache",
    "import by a string": "import importlib\nimportlib.import_module('tasks.audio.lesson')",
    "import by a string, its name imported": "from importlib import import_module",
    "import of a submodule of importlib": "import importlib.util",
    "data by importlib": "from importlib.resources import files",
    "__import__": "__import__('tasks.audio.lesson')",
    "a list of modules": "def f():\n    import pkgutil",
    "a module that is run": "from runpy import run_module",
}
ALLOWED = {
    "a network's mode": "network.eval()",
    "a pattern": "import re\nWORD = re.compile('a')",
    "a section's import": "def f(member):\n    return member.import_module(member.lesson).prepare()",
    "a word in a docstring": "def f():\n    '''Set os.environ; never eval.'''",
    "a file that a section names": "def f(source):\n    return Path(source.path).read_text()",
    "a signature": "import inspect\ninspect.signature(print)",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_forbidden_is_found(case: str) -> None:
    assert find_forbidden(ast.parse(REFUSED[case]))


@pytest.mark.parametrize("case", ALLOWED)
def test_what_is_allowed_is_not_taken_for_it(case: str) -> None:
    assert find_forbidden(ast.parse(ALLOWED[case])) == []


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ("", False),
        ("def load(name): return importlib.import_module(name)", True),
        ("class Other:\n    def import_module(self, name): return importlib.import_module(name)", True),
        ("from importlib import import_module", True),
    ],
    ids=["nothing", "a function", "another class", "another import"],
)
def test_one_method_alone_may_import_by_a_string(more: str, *, refused: bool) -> None:
    method = "class Section:\n    def import_module(self, name): return importlib.import_module(name)\n"
    tree = drop_importer(ast.parse(f"import importlib\n{method}{more}"), *IMPORTER[1:])
    assert bool(find_forbidden(tree)) == refused


def test_any_other_file_is_found(tmp_path: Path) -> None:
    for name in ("a.py", "members/b.py", "members/__pycache__/b.cpython-311.pyc", "words.txt", "members/weights.pt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list_strays(tmp_path) == ["members/weights.pt", "words.txt"]
