"""What a run tells MLflow, written to disk at once and sent by another process.

A training never talks to a tracker: it appends to a journal in `.trifold/outbox/`, and the sender
(`flows.engine.tracking.sender`) replays that into MLflow. So a tracker that is slow or down slows and stops nothing.
"""

import hashlib
import itertools
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from flows.engine.machine import Identity, describe_machine, describe_source, identify, set_quiet_environment
from flows.engine.processes import launch, stop_group
from flows.engine.redact import strip_secrets
from flows.engine.tracking.outbox import EVENTS, append_event, find_outbox, list_journals, read_json

Value = str | int | float | bool
Status = Literal["FINISHED", "FAILED", "KILLED"]

TROUBLE = "trouble.json"
SENDER = "sender.json"
# Small files are copied, since some are rewritten in place (dvc.yaml, params); large ones share their blocks.
COPIED_BYTES = 1_000_000
POLL_S = 0.1
# How long a sender that is to end may go on sending.
STOP_S = 30.0
CODE = Path(__file__).resolve().parents[3]
# What decides where MLflow's runs and their files go, and who may write there.
STORE_VARIABLES = ("MLFLOW_TRACKING_", "MLFLOW_REGISTRY_", "MLFLOW_S3_", "AWS_")


@dataclass(frozen=True)
class Waiting:
    """How many journals wait to be sent, and why, where the tracker refused or did not answer."""

    journals: int
    why: str | None

    def __str__(self) -> str:
        """Return one line for the terminal."""
        runs = "1 MLflow run" if self.journals == 1 else f"{self.journals} MLflow runs"
        reason = f": {self.why}" if self.why else ""
        return f"{runs} kept in .trifold/outbox, the next run sends what is left{reason}"


@dataclass(frozen=True)
class NewVersion:
    """A new version of the registered model `name`, and what it is judged by.

    The module named `loader` opens the folder `exported` (`engine/registry/packing.py`). `predictions` are those of
    its test data, which the module named `judge` compares with the champion's.
    """

    name: str
    exported: Path
    loader: str
    predictions: Path
    judge: str


@dataclass(frozen=True)
class Journal:
    """One MLflow run as it is told: each call appends a line, and none waits for anyone."""

    folder: Path
    _count: "itertools.count[int]" = field(default_factory=itertools.count, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def begin(
        cls,
        root: Path,
        *,
        name: str,
        experiment: str,
        parent: "Journal | None" = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Value] | None = None,
    ) -> "Journal":
        """Begin a run of the project at `root`; its tags also tell machine, commit and library versions."""
        known = {**describe_machine(), **describe_source(root), **(tags or {})}
        opening = {
            "event": "begin",
            "name": name,
            "experiment": experiment,
            "parent": parent.folder.name if parent else None,
            "tags": _strip(known),
            "params": _strip(params or {}),
            "writer": identify().as_dict(),
            "settings": name_settings(),
            "time_ms": _now_ms(),
        }
        return cls(_publish(find_outbox(root), opening))

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Record figures of one step; one call an epoch is one line, sent in one batch."""
        self._append("metrics", figures={key: float(value) for key, value in figures.items()}, step=step)

    def tags(self, tags: Mapping[str, str]) -> None:
        """Add tags that were not known at the beginning, such as the md5 of the outputs."""
        self._append("tags", tags=_strip(tags))

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keep a file, or what a folder holds, as it is now, to be shown in `folder` of the run's artifacts."""
        self._append("artifact", file=self._keep(path), folder=folder)

    def model(self, version: NewVersion, tags: Mapping[str, str]) -> None:
        """Keep a model, to be registered as a new version that wants to be champion."""
        kept = {"exported": self._keep(version.exported), "predictions": self._keep(version.predictions)}
        named = {"name": version.name, "loader": version.loader, "judge": version.judge}
        self._append("model", **named, **kept, tags=_strip(tags))

    def link(self, stage: str, tags: Mapping[str, str]) -> None:
        """Link the earlier run with these tags, in place of a run of a stage that was cached."""
        self._append("link", stage=stage, tags=_strip(tags))

    def end(self, status: Status) -> None:
        """End the run; nothing may be told after it."""
        self._append("end", status=status)

    def _append(self, event: str, **content: Any) -> None:
        with self._lock:
            append_event(self.folder / EVENTS, {"event": event, "time_ms": _now_ms(), **content})

    def _keep(self, path: Path) -> str:
        """Keep the bytes of a file or folder in the journal, and return where, relative to it."""
        place = Path("files") / str(next(self._count)) / path.name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                _keep_file(file, self.folder / place / file.relative_to(path))
        return place.as_posix()


def start_sender(root: Path) -> Identity:
    """Return the process that sends the journals of `root`, started where none with this process's settings lives.

    Begin a journal first: a sender that is about to end looks for one once more.
    """
    root = root.resolve()
    record = read_json(find_outbox(root) / SENDER)
    if record.get("settings") == name_settings() and not (sender := Identity(**record["process"])).is_gone():
        return sender
    env = dict(os.environ)
    set_quiet_environment(env)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CODE), env.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "flows.engine.tracking.sender", str(root), name_settings()]
    return launch(command, folder=root, env=env, log=root / ".trifold" / "logs" / "sender.log")


def stop_sender(root: Path) -> bool:
    """End the sender of `root`, which first sends what is left; return whether there was one."""
    record = read_json(find_outbox(root) / SENDER)
    return bool(record) and stop_group([Identity(**record["process"])], patience_s=STOP_S)


@cache
def name_settings() -> str:
    """Return a name for what decides how a journal is sent: the engine's code and the address of MLflow's store."""
    store = sorted((name, value) for name, value in os.environ.items() if name.startswith(STORE_VARIABLES))
    return hashlib.sha256(repr((sign_code("flows/engine"), store)).encode()).hexdigest()[:16]


def sign_code(*folders: str) -> str:
    """Return what changes when a source file does: those that a sender may import, or of some folders."""
    files = sorted(file for folder in folders or ("flows", "tasks") for file in (CODE / folder).rglob("*.py"))
    stats = [(file.as_posix(), file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()


def count_waiting(root: Path) -> Waiting:
    """Return how many journals wait to be sent, and what went wrong when the sender last tried."""
    journals = list_journals(root)
    return Waiting(len(journals), _read_trouble(root) if journals else None)


def wait_sent(root: Path, sender: Identity, *, timeout_s: float) -> Waiting:
    """Wait until every journal that nobody writes is sent, the sender has met trouble or ended, or time is up."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        left = [journal for journal in list_journals(root) if not journal.has_writer()]
        if not left or _read_trouble(root) or not _is_sending(root, sender):
            break
        time.sleep(POLL_S)
    return count_waiting(root)


def _is_sending(root: Path, sender: Identity) -> bool:
    """Return whether a sender is at work: this one, or the one that was there before it."""
    if not sender.is_gone():
        return True
    other = read_json(find_outbox(root) / SENDER)
    return bool(other) and not Identity(**other["process"]).is_gone()


def _read_trouble(root: Path) -> str | None:
    why: str | None = read_json(find_outbox(root) / TROUBLE).get("why")
    return why


def _strip(values: Mapping[str, Value]) -> dict[str, str]:
    return {key: strip_secrets(str(value)) for key, value in values.items()}


def _publish(outbox: Path, opening: dict[str, Any]) -> Path:
    """Make a journal that others see only when its first line stands."""
    name = f"{time.time_ns()}-{secrets.token_hex(4)}"
    draft = outbox / f".new-{name}"
    draft.mkdir(parents=True)
    append_event(draft / EVENTS, opening)
    return draft.rename(outbox / name)


def _keep_file(source: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_size > COPIED_BYTES:
        _share(source, kept)
        return
    content = source.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        kept.write_bytes(content)
    else:
        kept.write_bytes(strip_secrets(text).encode())


def _share(source: Path, kept: Path) -> None:
    try:
        os.link(source, kept)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, kept)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
