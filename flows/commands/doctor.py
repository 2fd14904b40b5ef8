"""Checks this machine and checkout, and suggests fixes. Read-only."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from flows.engine.cache.store import read_recorded
from flows.engine.errors import EngineError, explain, fix_access
from flows.engine.graph.dvc_yaml import CHECK, compare_graph
from flows.engine.machine import NO_GPU, describe_machine, describe_source, explain_refusal, read_versions
from flows.engine.project import ROOT, STATE
from flows.engine.redact import strip_secrets
from flows.engine.servers.server import where
from flows.engine.servers.team import MLFLOW, PREFECT, use_team_prefect
from flows.engine.tags import COMMIT
from flows.engine.tracking.journal import count_waiting
from flows.engine.tracking.mlflow_store import fix_schema, is_current_schema, open_existing_store

FREE_DISK_GB = 5.0


@dataclass(frozen=True)
class Finding:
    """The result of one check: whether it passed, what was seen, and how to fix it."""

    subject: str
    is_ok: bool
    seen: str
    fix: str = ""


def examine() -> list[Finding]:
    """Run all checks; a check that fails itself is a finding too."""
    checks: list[Callable[[], Finding]] = [
        _check_python,
        _check_libraries,
        _check_gpu,
        _check_disk,
        _check_folders,
        _check_git,
        _check_repository,
        _check_graph,
        check_store,
        _check_outbox,
        _check_server,
    ]
    return [check() for check in checks]


def _check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    is_ok = sys.version_info[:2] in ((3, 11), (3, 12))
    return Finding("Python", is_ok, version, "make a new .venv: `rm -rf .venv; make PYTHON=python3.12 check`")


def _check_libraries() -> Finding:
    wrong = [f"{name} {found or 'missing'} (pinned {pin})" for name, pin, found in _compare_pins() if pin != found]
    seen = "; ".join(wrong) if wrong else f"torch {read_versions().get('torch')} and the rest as pinned"
    return Finding("libraries", not wrong, seen, "`.venv/bin/uv pip sync --python .venv/bin/python requirements.lock`")


def _compare_pins() -> Iterator[tuple[str, str, str]]:
    """Yield name, pinned and installed version of each library that pyproject.toml names exactly."""
    for name, pin in re.findall(r'"([a-z]+)==([\d.]+)",', (ROOT / "pyproject.toml").read_text(encoding="utf-8")):
        try:
            # A build for one kind of processor adds a label, such as +cpu.
            yield name, pin, metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            yield name, pin, ""


def _check_gpu() -> Finding:
    gpu = describe_machine().get("gpu", NO_GPU)
    return Finding("GPU", True, "none: training runs on the processor" if gpu == NO_GPU else gpu)


def _check_disk() -> Finding:
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    fix = "`python -m flows gc` lists what can be deleted, `python -m flows gc --free` deletes it"
    return Finding("free disk", free_gb > FREE_DISK_GB, f"{free_gb:.0f} GB, needs {FREE_DISK_GB:g} GB", fix)


def _check_folders() -> Finding:
    wrong = [folder for folder in (ROOT, ROOT / "data", ROOT / ".dvc", STATE) if not _is_writable(folder)]
    return Finding(
        "folders",
        not wrong,
        f"not writable: {', '.join(folder.name for folder in wrong)}" if wrong else "writable",
        "; ".join(dict.fromkeys(map(fix_access, wrong))),
    )


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(exist_ok=True)
        probe = folder / ".doctor"
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _check_git() -> Finding:
    refused, _, fix = explain_refusal(ROOT).partition(": ")
    return Finding("git", not refused, refused or describe_source(ROOT)[COMMIT], fix)


def _check_repository() -> Finding:
    """Let DVC read its config, git's folder, dvc.yaml and dvc.lock."""
    try:
        read_recorded([CHECK])
    except (EngineError, PermissionError) as error:
        seen, _, fix = explain(error).rpartition(": ")
        return Finding("DVC repository", False, seen, fix)
    return Finding("DVC repository", True, "DVC can read it")


def _check_graph() -> Finding:
    try:
        behind = bool(compare_graph())
    except EngineError as error:
        return Finding("dvc.yaml", False, str(error), "correct the params file or the flow")
    seen = "does not match the flows" if behind else "matches the flows"
    return Finding("dvc.yaml", not behind, seen, "`python -m flows graph --write`")


def check_store() -> Finding:
    """Check that the store can be read by the installed MLflow, or that the team's answers."""
    if address := os.environ.get(MLFLOW):
        try:
            open_existing_store()
        except EngineError as error:
            return Finding(
                "MLflow store", False, str(error), f"start it, or `unset {MLFLOW}`; until then runs wait on disk"
            )
        return Finding("MLflow store", True, f"{strip_secrets(address)} answers")
    store = ROOT / "mlflow.db"
    if not store.exists():
        return Finding("MLflow store", True, "none yet; the first run creates it")
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            runs = connection.execute("select count(*) from runs").fetchone()[0]
            (revision,) = connection.execute("select version_num from alembic_version").fetchone()
    except sqlite3.Error as error:
        return Finding(
            "MLflow store", False, f"mlflow.db: {error}", "`mv mlflow.db mlflow.broken`; the next run creates a new one"
        )
    if not is_current_schema(revision):
        seen = f"mlflow.db has revision {revision}: another version of MLflow wrote it"
        return Finding("MLflow store", False, seen, fix_schema())
    return Finding("MLflow store", True, f"{runs} runs")


def _check_outbox() -> Finding:
    waiting = count_waiting(ROOT)
    seen = str(waiting) if waiting.journals else "all runs were sent"
    return Finding("MLflow outbox", not waiting.why, seen, "`cat .trifold/logs/sender.log`; the next run tries again")


def _check_server() -> Finding:
    try:
        if address := use_team_prefect(ROOT):
            return Finding("servers", True, f"{address} answers")
    except EngineError as error:
        return Finding("servers", False, str(error), f"start the server, or `unset {PREFECT}`")
    servers = {server.name: server for server in where(ROOT)}
    seen = ", ".join(f"{name} at {server.url}" for name, server in servers.items())
    return Finding("servers", True, seen or "none is running; a run starts Prefect's, `make up` starts both")
