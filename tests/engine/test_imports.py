"""The rules about imports between folders and libraries."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from flows.engine.graph.definitions import Module
from flows.engine.graph.dvc_yaml import trace_flow
from flows.engine.project import ROOT, list_flows


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
PACKAGES = {
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


def test_each_library_is_known_only_in_its_packages() -> None:
    files = sorted((ROOT / "flows").rglob("*.py"))
    assert len(files) > 60
    strays, used = [], set()
    for path in files:
        parts = path.relative_to(ROOT / "flows").parts
        package = parts[1] if parts[0] == "engine" else parts[0]
        for library in find_all_imports(path.read_text(encoding="utf-8")) & PACKAGES.keys():
            used.add(library)
            if package not in PACKAGES[library]:
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
        assert not Module(name, path).tops.intersection(banned), path


@pytest.mark.parametrize("flow", list_flows())
def test_a_stage_depends_on_no_other_domain_s_code(flow: str) -> None:
    others = tuple(f"tasks.{name}." for name in list_flows() if name != flow)
    for stage in trace_flow(flow):
        lines = stage.code.make_fingerprint().splitlines()
        assert not [line for line in lines if line.startswith(others)], stage.name


@pytest.mark.parametrize(
    ("flow", "modules"),
    [
        ("audio", {"fit-melnet-fold1": "tasks.audio.lesson", "export": "tasks.audio.script"}),
        ("images", {"fit-compactnet-small-fold5": "tasks.images.lesson", "export": "tasks.images.script"}),
        ("text", {"fit-lstm-fold10": "tasks.text.lesson", "export": "tasks.text.script"}),
    ],
    ids=["audio", "images", "text"],
)
def test_a_stage_depends_on_what_its_domain_brings_to_it_alone(flow: str, modules: dict[str, str]) -> None:
    codes = {stage.name.removeprefix(f"{flow}-"): stage.code.make_fingerprint() for stage in trace_flow(flow)}
    for name, module in modules.items():
        assert f"{module}." in codes[name]
    for name, code in codes.items():
        assert f"{modules['export']}." not in code or name.startswith(("ensemble", "export")), name
