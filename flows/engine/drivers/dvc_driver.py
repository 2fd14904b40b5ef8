"""The driver for DVC: the command of one stage, which `dvc repro` calls."""

from __future__ import annotations

import json
import os

from flows.engine.cache.faults import refuse_links
from flows.engine.cache.shared import send_all
from flows.engine.cache.store import Work, bring_up_to_date, compute_for_repro
from flows.engine.console import ConsoleReport
from flows.engine.drivers.first import announce_upgrade, update_code
from flows.engine.drivers.recorder import Recorder
from flows.engine.errors import EngineError
from flows.engine.graph.dvc_yaml import CHECK, find_stage, read_fingerprints
from flows.engine.graph.stage import PLAIN, Stage
from flows.engine.locks import hold_lock, stage_lock
from flows.engine.machine import format_command
from flows.engine.nodes.opening import ON, use_nodes
from flows.engine.project import STATE

# The possible error of the kernel's start time of a process.
START_ERROR_S = 2.0
# DVC calls its commands through a shell, which may remain as a process in between.
SHELLS = ("sh", "dash", "bash", "zsh", "fish")


def run_stage_command(name: str, values: list[str]) -> None:
    """Compute a stage for `dvc repro`, which has decided that the stage changed and records its output.

    When a user calls this command, or another driver computed the stage since that decision, the engine asks DVC for a
    new verdict. Raises EngineError when `values` differ from the flow's: dvc.yaml is older than the flow.
    """
    decided_s, stage = _find_decision_time(), find_stage(name)
    _compare_values(stage, values)
    if decided_s is None:
        update_code()
    elif name == CHECK:
        announce_upgrade()
    (stage,) = read_fingerprints([stage])
    refuse_links(stage)
    run = format_command() if decided_s is None else "dvc repro"
    nodes = use_nodes(os.environ.get(ON, ""))
    with (
        nodes as executor,
        ConsoleReport(stage.name) as report,
        Recorder(stage, run=run, executor=executor) as recorder,
    ):
        work = Work(
            lambda wanted: recorder.compute(report, wanted),
            on_wait=lambda: report.say("waiting: another run computes this stage"),
        )
        if decided_s is not None:
            with hold_lock(stage_lock(name), work.on_wait) as waited:
                if not waited and not _is_recorded_since(name, decided_s):
                    if outcome := compute_for_repro(stage, work):
                        recorder.record(outcome)
                    send_all()
                    return
        recorder.record(bring_up_to_date(stage, work))
        send_all()


def _is_recorded_since(name: str, decided_s: float) -> bool:
    mark = STATE / "recorded" / name
    return mark.exists() and mark.stat().st_mtime > decided_s - START_ERROR_S


def _compare_values(stage: Stage, values: list[str]) -> None:
    traced = [f"{k}={json.dumps(v)}" for k, v in stage.arguments.items() if isinstance(v, PLAIN)]
    if values and values != traced:
        raise EngineError(
            f"{stage.name} was called with {' '.join(values)}, but the flow calls it with "
            f"{' '.join(traced) or 'no values'}: run `dvc repro {stage.name}`; where dvc.yaml is older than the flow, "
            "`python -m flows graph --write` first"
        )


def _find_decision_time() -> float | None:
    """Return when the `dvc repro` that called this process started; None when `dvc repro` did not call it."""
    import psutil

    if "DVC_STAGE" not in os.environ:
        return None
    callers = [parent for parent in psutil.Process().parents() if parent.name() not in SHELLS]
    return callers[0].create_time() if callers else None
