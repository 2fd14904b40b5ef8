"""The work of a stage, in its own process: its function, called into a temporary folder that takes its place whole.

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
from flows.engine.errors import EngineError, explain, is_mendable
from flows.engine.files import write_whole
from flows.engine.graph.stage import Artifact
from flows.engine.project import ROOT, STATE, make_state_folder

# Where outputs are made; what a killed stage leaves there, its driver deletes, or the stage's next process.
WORK = "work"


def main(channel: Connection) -> None:
    """Compute the stage whose job comes on `channel`; its messages, and at last how it ended, go back on it."""
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
    """Import all that the stage may import later, so that an edit meanwhile is either noticed or without effect."""
    for name in job.code.list_modules() if job.flow else ():
        importlib.import_module(name)


def do_work(stage: Job, report: Messenger) -> float:
    """Compute a stage and put its output in place, whole or not at all; return the seconds in its task function.

    Raises what the task raises, DisturbedError when an input changed, StoppedError or LateError when it was to end.
    """
    guard = Guard(stage)
    shutil.rmtree(STATE / WORK / stage.name, ignore_errors=True)
    # The last part of the path is final from the start: some formats write it into their bytes.
    fresh = make_state_folder(WORK, stage.name, Path(stage.path).name)
    arguments = _bind(stage, fresh, report)
    began_s = time.perf_counter()
    try:
        stage.function(**arguments)
    except OSError as error:
        if is_mendable(error):
            raise EngineError(f"{stage.name}: {explain(error)}") from error
        raise
    finally:
        # Also after a failure: an input that went away meanwhile is the cause, not the message.
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
    if "checkpoints" in wanted:
        supplied["checkpoints"] = make_state_folder("checkpoints", f"{stage.name}-{_sign_inputs(stage)}")
    return bound | {name: value for name, value in supplied.items() if name in wanted}


def _count_parameters(stage: Job) -> int:
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


def _sign_inputs(stage: Job) -> str:
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


def _drop_checkpoints(stage: Job) -> None:
    for folder in (STATE / "checkpoints").glob(f"{stage.name}-{'[0-9a-f]' * 16}"):
        shutil.rmtree(folder, ignore_errors=True)
