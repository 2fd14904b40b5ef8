"""The code that a stage depends on is found by reading it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from flows.engine.errors import EngineError
from flows.engine.graph import source
from flows.engine.project import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(source, "ROOT", tmp_path)
    return tmp_path


CASES = {
    "import of a module": ("import pkg.other", {"pkg/other.py"}),
    "import from a module": ("from pkg.other import thing", {"pkg/other.py"}),
    "a module imported from its package": ("from pkg import other", {"pkg/other.py"}),
    "a relative import": ("from . import other", {"pkg/other.py"}),
    "a relative import from a module": ("from .other import thing", {"pkg/other.py"}),
    "an import inside a function": ("def f():\n    import pkg.other", {"pkg/other.py"}),
    "an import two modules away": ("import pkg.between", {"pkg/between.py", "pkg/other.py"}),
    "an import for type checkers": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pkg.other", set()),
    "a library": ("import json", set()),
}


@pytest.mark.parametrize("case", CASES)
def test_imports_are_followed(project: Path, case: str) -> None:
    text, expected = CASES[case]
    (project / "pkg").mkdir()
    (project / "pkg/__init__.py").write_text('"""No code."""\n')
    (project / "pkg/main.py").write_text(text)
    (project / "pkg/between.py").write_text("from pkg.other import thing")
    (project / "pkg/other.py").write_text("thing = 1")
    assert source.find_code("pkg.main") == {"pkg/main.py"} | expected


def test_a_package_with_code_counts(project: Path) -> None:
    (project / "pkg").mkdir()
    (project / "pkg/__init__.py").write_text("value = 1\n")
    (project / "pkg/main.py").write_text("")
    assert source.find_code("pkg.main") == {"pkg/main.py", "pkg/__init__.py"}


def test_a_module_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(EngineError, match=r"pkg\.nothing"):
        source.find_code("pkg.nothing")


def test_what_only_looks_imports_no_heavy_library() -> None:
    code = (
        "import sys; from flows.engine.graph.dvc_yaml import render_graph; render_graph(); "
        "heavy = ('torch', 'prefect', 'mlflow', 'dvc', 'pandas', 'librosa', 'matplotlib', 'sklearn', "
        "'vl_convert', 'jinja2'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


# The only folders of the engine that may import a library.
ROOMS = {
    "dvc": {"cache"},
    "dvc_data": {"cache"},
    "dvc_objects": {"cache"},
    "scmrepo": {"cache"},
    "mlflow": {"tracking", "registry", "housekeeping"},
    "sqlalchemy": {"tracking", "registry", "housekeeping"},
    "prefect": {"drivers", "servers", "housekeeping"},
    "httpx": {"drivers", "servers", "housekeeping"},
}


def find_all_imports(text: str) -> set[str]:
    """Return the top packages that a source imports: in functions and for type checkers too."""
    nodes = list(ast.walk(ast.parse(text)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in names}


def test_each_library_is_known_only_in_its_rooms() -> None:
    files = sorted((ROOT / "flows").rglob("*.py"))
    assert len(files) > 60
    strays, used = [], set()
    for path in files:
        parts = path.relative_to(ROOT / "flows").parts
        room = parts[1] if parts[0] == "engine" else parts[0]
        for library in find_all_imports(path.read_text(encoding="utf-8")) & ROOMS.keys():
            used.add(library)
            if room not in ROOMS[library]:
                strays.append(f"{path.relative_to(ROOT)} imports {library}")
    assert strays == []
    assert {"dvc", "mlflow", "prefect"} <= used


def test_an_import_is_found_wherever_it_is() -> None:
    hidden = "def f():\n    from dvc.repo import Repo\nif TYPE_CHECKING:\n    import mlflow.entities as e\n"
    assert find_all_imports(hidden) == {"dvc", "mlflow"}


def test_tasks_import_neither_flows_nor_what_runs_them() -> None:
    banned = ("flows", "prefect", "dvc", "mlflow")
    files = sorted((ROOT / "tasks").rglob("*.py"))
    assert len(files) > 30
    for path in files:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found = source.read_imports(path, name, path.stat().st_mtime_ns)
        assert not [one for one in found if one.split(".")[0] in banned], path
