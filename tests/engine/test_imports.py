"""The code that a stage depends on is found by reading it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.audio import audio
from flows.engine.errors import EngineError
from flows.engine.graph import source
from flows.engine.graph.stage import Pipeline
from flows.engine.project import ROOT
from flows.images import images
from flows.text import text


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


def test_tasks_import_neither_flows_nor_what_runs_them() -> None:
    banned = ("flows", "prefect", "dvc", "mlflow")
    files = sorted((ROOT / "tasks").rglob("*.py"))
    assert len(files) > 30
    for path in files:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found = source.read_imports(path, name, path.stat().st_mtime_ns)
        assert not [one for one in found if one.split(".")[0] in banned], path


@pytest.mark.parametrize("pipeline", [audio, images, text], ids=lambda one: one.name)
def test_a_stage_depends_on_no_other_domain_s_code(pipeline: Pipeline) -> None:
    others = tuple(f"tasks/{name}/" for name in {"audio", "images", "text"} - {pipeline.name})
    for stage in pipeline.trace():
        assert not [file for file in stage.code if file.startswith(others)], stage.name


@pytest.mark.parametrize(
    ("pipeline", "modules"),
    [
        (audio, {"fit-melnet-fold1": "tasks/audio/lesson.py", "export": "tasks/audio/script.py"}),
        (images, {"fit-compactnet-small-fold5": "tasks/images/lesson.py", "export": "tasks/images/script.py"}),
        (text, {"fit-lstm-fold10": "tasks/text/lesson.py", "export": "tasks/text/script.py"}),
    ],
    ids=["audio", "images", "text"],
)
def test_a_stage_depends_on_what_its_domain_brings_to_it_alone(pipeline: Pipeline, modules: dict[str, str]) -> None:
    stages = {stage.name.removeprefix(f"{pipeline.name}-"): stage for stage in pipeline.trace()}
    for name, module in modules.items():
        assert module in stages[name].code
    for name, stage in stages.items():
        assert modules["export"] not in stage.code or name.startswith(("ensemble", "export")), name
