"""The driver for DVC: what one stage's command does under `dvc repro`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from flows.engine.cache.faults import refuse_links
from flows.engine.cache.store import bring_back, bring_up_to_date, read_md5s
from flows.engine.console import StageReport
from flows.engine.drivers.first import announce_upgrade, update_code
from flows.engine.drivers.recorder import Recorder
from flows.engine.errors import EngineError
from flows.engine.graph.dvc_yaml import CHECK, find_stage, read_fingerprints
from flows.engine.graph.stage import PLAIN, Stage
from flows.engine.locks import hold_lock, stage_lock
from flows.engine.machine import tell_command
from flows.engine.project import STATE

# How far off the kernel's time of a process's start may be.
START_ERROR_S = 2.0
# DVC calls its commands through one, which may or may not stay between.
SHELLS = ("sh", "dash", "bash", "zsh", "fish")


def run_stage_command(name: str, values: list[str]) -> None:
    """Compute a stage for `dvc repro`, which has decided that it changed and records what is made.

    Called by hand, or when another driver held or recorded the stage since that decision, DVC is asked
    (again). Raises EngineError when the values given are not those of the flow: dvc.yaml is older than it.
    """
    decided_s = _find_decision_time()
    if decided_s is None:
        update_code()
    elif name == CHECK:
        announce_upgrade()
    (stage,) = read_fingerprints([find_stage(name)])
    _compare_values(stage, values)
    refuse_links(stage)
    run = tell_command() if decided_s is None else "dvc repro"
    with StageReport(stage.name) as report, Recorder(stage, run=run) as recorder:

        def work() -> None:
            recorder.compute(report)

        if decided_s is not None:
            with hold_lock(stage_lock(name), lambda: report.say("waits: another run computes it")) as waited:
                if not waited and not _is_recorded_since(name, decided_s):
                    _work_or_bring_back(stage, work)
                    if stage.learns:
                        recorder.record(read_md5s(stage))
                    return
        recorder.record(bring_up_to_date(stage, work))


def _is_recorded_since(name: str, decided_s: float) -> bool:
    mark = STATE / "recorded" / name
    return mark.exists() and mark.stat().st_mtime > decided_s - START_ERROR_S


def _compare_values(stage: Stage, values: list[str]) -> None:
    traced = [f"{k}={json.dumps(v)}" for k, v in stage.arguments.items() if isinstance(v, PLAIN)]
    if values and values != traced:
        raise EngineError(
            f"{stage.name} is called with {' '.join(values)}, the flow says {' '.join(traced)}: dvc.yaml is older "
            "than the flow, run `python -m flows graph --write`"
        )


def _work_or_bring_back(stage: Stage, work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException:
        bring_back(stage)
        raise


def _find_decision_time() -> float | None:
    """Return when the `dvc repro` that called this process read dvc.lock, or None when none did."""
    import psutil

    if "DVC_STAGE" not in os.environ:
        return None
    callers = [parent for parent in psutil.Process().parents() if parent.name() not in SHELLS]
    return callers[0].create_time() if callers else None
