"""What imports what."""

from __future__ import annotations

import subprocess
import sys

from flows.engine.graph.definitions import Module
from flows.engine.project import ROOT


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
        assert not Module(name, path).tops.intersection(banned), path
