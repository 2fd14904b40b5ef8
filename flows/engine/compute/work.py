"""The work of a stage: its function, called into a temporary folder that takes its place whole."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Protocol

from flows.engine.compute.guard import Guard
from flows.engine.errors import EngineError, explain, is_mendable
from flows.engine.files import write_whole
from flows.engine.graph.stage import Artifact, Stage
from flows.engine.locks import hold_lock, training_lock
from flows.engine.machine import read_versions
from flows.engine.project import ROOT, STATE, make_state_folder
from flows.engine.stop import GRACE_S, StuckError

# Where it is kept how long each stage took, and under which library versions: no inputs, but worth knowing.
MADE = "made"
# How often a stage's thread is looked after.
LOOK_S = 1.0
# Threads of this process take turns in silence; only another process's training is worth telling.
_turn = threading.Lock()


class Report(Protocol):
    """What the work needs of a report; tasks know a wider one."""

    def begin(self) -> None:
        """Note that the work begins, after all waiting."""

    def check(self, *, grace_s: float = 0.0) -> None:
        """Raise when the stage should have ended `grace_s` ago."""

    def say(self, text: str) -> None:
        """Say one line that a person should read."""


def do_work(stage: Stage, report: Report) -> None:
    """Compute a stage and put its output in place, whole or not at all.

    The caller holds the stage's lock. Raises what the task raises, DisturbedError when an input changed,
    StoppedError or LateError when the stage was to end early, and StuckError when it did not.
    """
    if stage.learns:
        waits = hold_lock(training_lock(), lambda: report.say("waits for another training"), report.check)
        with _turn, waits:
            _do_work(stage, report)
    else:
        _do_work(stage, report)


def _do_work(stage: Stage, report: Report) -> None:
    report.begin()
    report.check()
    guard = Guard(stage)
    shutil.rmtree(STATE / "work" / stage.name, ignore_errors=True)
    # The last part of the path is final from the start: some formats write it into their bytes.
    fresh = make_state_folder("work", stage.name, Path(stage.artifact.path).name)
    try:
        arguments = _bind(stage, fresh, report)
        began_s = time.perf_counter()
        try:
            _call_in_own_thread(stage.function, arguments, report)
        except OSError as error:
            if is_mendable(error):
                raise EngineError(f"{stage.name}: {explain(error)}") from error
            raise
        finally:
            # Also after a failure: an input that went away meanwhile is the cause, not the message.
            guard.check()
        seconds = time.perf_counter() - began_s
        put = _update_files if stage.persists else _put_in_place
        put(fresh, ROOT / stage.artifact.path)
        _note_made(stage, seconds)
        _drop_checkpoints(stage)
    finally:
        shutil.rmtree(fresh.parent, ignore_errors=True)


def _call_in_own_thread(function: Callable[..., object], arguments: Mapping[str, Any], report: Report) -> None:
    """Call the function in a thread that ends with it.

    OpenMP gives every thread that computes helpers of its own, for as long as it lives. Once a process holds more
    of them than cores, they no longer wait for work but sleep, and waking them for every operation made a training
    on two cores take twice as long.
    """
    outcome: Future[object] = Future()

    def call() -> None:
        try:
            outcome.set_result(function(**arguments))
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            outcome.set_exception(error)

    # A daemon, so that Ctrl-C ends the process while the function computes.
    threading.Thread(target=call, name="stage", daemon=True).start()
    while not wait([outcome], timeout=LOOK_S).done:
        try:
            report.check(grace_s=GRACE_S)
        except EngineError as error:
            raise StuckError(f"{error} (it is still in one call, and ends with this process)") from error
    outcome.result()


def _bind(stage: Stage, out: Path, report: Report) -> dict[str, Any]:
    bound = {name: _resolve(value) for name, value in stage.arguments.items()}
    wanted = stage.function.__code__.co_varnames[: _count_parameters(stage)]
    supplied = {"out": out, "report": report}
    if "checkpoints" in wanted:
        supplied["checkpoints"] = make_state_folder("checkpoints", f"{stage.name}-{_sign_inputs(stage)}")
    return bound | {name: value for name, value in supplied.items() if name in wanted}


def _count_parameters(stage: Stage) -> int:
    code = stage.function.__code__
    return code.co_argcount + code.co_kwonlyargcount


def _resolve(value: Any) -> Any:
    if isinstance(value, Artifact):
        path = ROOT / value.path
        if not path.is_dir():
            raise EngineError(f"{value.path} is missing: `dvc repro {value.stage}` makes it")
        return path
    if isinstance(value, list | tuple):
        return [_resolve(one) for one in value]
    return value


def _sign_inputs(stage: Stage) -> str:
    """Return a digest of all that decides the result, so that only the very same training is resumed."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([stage.command, stage.values], sort_keys=True).encode())
    for dep in stage.deps:
        root = ROOT / dep
        for path in sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _put_in_place(fresh: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        shutil.rmtree(place)
    shutil.move(fresh, place)


def _update_files(fresh: Path, place: Path) -> None:
    """Bring a folder of text files up to date: one that does not change is left alone, others are replaced whole."""
    place.mkdir(parents=True, exist_ok=True)
    texts = {path.name: path.read_text(encoding="utf-8") for path in fresh.iterdir()}
    standing = {path.name: path.read_text(encoding="utf-8") for path in place.iterdir()}
    write_whole({place / name: text for name, text in texts.items() if standing.get(name) != text})
    for name in standing.keys() - texts.keys():
        (place / name).unlink()


def _note_made(stage: Stage, seconds: float) -> None:
    note = {"seconds": round(seconds, 3), "versions": read_versions()}
    (make_state_folder(MADE) / f"{stage.name}.json").write_text(json.dumps(note, sort_keys=True), encoding="utf-8")


def _drop_checkpoints(stage: Stage) -> None:
    for folder in (STATE / "checkpoints").glob(f"{stage.name}-{'[0-9a-f]' * 16}"):
        shutil.rmtree(folder, ignore_errors=True)
