"""What the tests of nodes share: a task with a checkpoint, and the processes on a checkout's nodes."""

from __future__ import annotations

from typing import Any

import psutil
from ruamel.yaml import YAML

from tests.engine.tiny_project import TinyProject

# Replaces the last task: it has one checkpoint, and its trace says whether it went on from it.
WITH_CHECKPOINT = """
from tasks.trace import leave_trace
from tasks.report import Report
from tasks.section import Section


class Join(Section):
    separator: str


def join_texts(changed: list[Path], join: Join, *, out: Path, report: Report, checkpoints: Path) -> None:
    texts = [(folder / "text.txt").read_text().strip() for folder in changed]
    kept = checkpoints / "training.pt"
    if kept.exists():
        leave_trace("resumed-from-" + kept.read_text())
    kept.write_text("epoch1")
    leave_trace("join", report)
    (out / "text.txt").write_text(join.separator.join(texts) + "\\n")
"""


def read_lock(project: TinyProject) -> Any:
    return YAML(typ="safe").load(project.locked())


def list_processes(project: TinyProject) -> list[psutil.Process]:
    """Return the processes that run in the trees of a checkout's nodes, first the programs."""
    found = []
    for process in psutil.process_iter():
        try:
            if ".trifold/nodes" in process.cwd() and process.cwd().startswith(str(project.root)):
                found.append(process)
        except psutil.Error:
            continue
    return sorted(found, key=lambda process: process.create_time())
