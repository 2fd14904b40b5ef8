"""The work of a stage, in its own process: call the task function, then move the output into place, all or nothing.

Nothing here imports torch, DVC, Prefect or MLflow.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
import shutil
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flows.engine.compute.guard import Guard
from flows.engine.compute.job import Job
from flows.engine.compute.messages import Messenger, pack_error
from flows.engine.errors import EngineError, explain, is_fixable
from flows.engine.files import write_whole
from flows.engine.graph.stage import Artifact
from flows.engine.project import ROOT, STATE, make_state_folder

# The folder for unfinished outputs. The driver, or the stage's next process, deletes what a killed stage left there.
WORK = "work"


def main(channel: Connection) -> None:
    """Compute the stage whose job arrives on `channel`; send back its messages, and last how it ended."""
    messenger = Messenger(channel)
    content = channel.recv_bytes()
    threading.Thread(target=messenger.listen, name="driver", daemon=True).start()
    try:
        job: Job = pickle.loads(content)
        import_code(job)
        messenger.send("begin")
        seconds = do_work(job, messenger)
    except BaseException as error:  # noqa: BLE001 - the driver raises it
        messenger.send("failed", error=pack_error(error))
    else:
        messenger.send("done", seconds=seconds)


def import_code(job: Job) -> None:
    """Import everything that the stage may import later, so that an edit meanwhile is noticed or has no effect."""
    for name in job.list_modules() if job.flow else ():
        importlib.import_module(name)


def do_work(stage: Job, report: Messenger) -> float:
    """Compute a stage and move its output into place, all or nothing; return the seconds in its task function.

    Raises what the task raises, DisturbedError when an input changed, StoppedError or LateError when it was stopped.
    """
    guard = Guard(stage)
    shutil.rmtree(STATE / WORK / stage.name, ignore_errors=True)
    # The folder already has its final name: some file formats contain it.
    fresh = make_state_folder(WORK, stage.name, Path(stage.path).name)
    arguments = _bind(stage, fresh, report)
    began_s = time.perf_counter()
    try:
        stage.function(**arguments)
    except OSError as error:
        if is_fixable(error):
            raise EngineError(f"{stage.name}: {explain(error)}") from error
        raise
    finally:
        # Also after a failure: a vanished input is the cause, and a better message than the task's.
        guard.check()
    seconds = time.perf_counter() - began_s
    put = _update_files if stage.persists else _put_in_place
    put(fresh, ROOT / stage.path)
    _drop_checkpoints(stage)
    return seconds


def _bind(stage: Job, out: Path, report: Messenger) -> dict[str, Any]:
    bound = {name: _resolve(value) for name, value in stage.arguments.items()}
    wanted = stage.function.__code__.co_varnames[: _count_parameters(stage)]
    supplied = {"out": out, "report": report}
    if "downloads" in wanted:
        supplied["downloads"] = make_state_folder("downloads", stage.name)
    if "checkpoints" in wanted:
        supplied["checkpoints"] = make_state_folder("checkpoints", f"{stage.name}-{_sign_inputs(stage)}")
    return bound | {name: value for name, value in supplied.items() if name in wanted}


def _count_parameters(stage: Job) -> int:
    code = stage.function.__code__
    return code.co_argcount + code.co_kwonlyargcount


def _resolve(value: Any) -> Any:
    if isinstance(value, Artifact):
        path = ROOT / value.path
        if not (path.is_file() if value.file else path.is_dir()):
            raise EngineError(f"{value.path} is missing: compute it with `dvc repro {value.stage}`")
        return path
    if isinstance(value, list | tuple):
        return [_resolve(item) for item in value]
    return value


def _sign_inputs(stage: Job) -> str:
    """Return a digest of everything that determines the result, so that only the same training is resumed."""
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
    """Update a folder of text files: unchanged files are not touched, others are replaced atomically."""
    place.mkdir(parents=True, exist_ok=True)
    texts = {path.name: path.read_text(encoding="utf-8") for path in fresh.iterdir()}
    standing = {path.name: path.read_text(encoding="utf-8") for path in place.iterdir()}
    write_whole({place / name: text for name, text in texts.items() if standing.get(name) != text})
    for name in standing.keys() - texts.keys():
        (place / name).unlink()


def _drop_checkpoints(stage: Job) -> None:
    for folder in (STATE / "checkpoints").glob(f"{stage.name}-{'[0-9a-f]' * 16}"):
        shutil.rmtree(folder, ignore_errors=True)
