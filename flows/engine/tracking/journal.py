"""Journals: what a run records for MLflow, written to disk at once and sent by another process.

A training never connects to a tracker: it appends to a journal in `.trifold/outbox/`, and the sender
(`flows.engine.tracking.sender`) replays the journal into MLflow. So a slow or stopped tracker never delays a training.
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
from flows.engine.project import ORIGIN, ROOT
from flows.engine.redact import strip_secrets
from flows.engine.tracking.outbox import EVENTS, append_event, find_outbox, list_journals, read_json

Value = str | int | float | bool
Status = Literal["FINISHED", "FAILED", "KILLED"]

TROUBLE = "trouble.json"
SENDER = "sender.json"
# Smaller files are copied, since some are rewritten in place (dvc.yaml, params); larger ones are hard-linked.
COPIED_BYTES = 1_000_000
POLL_S = 0.1
# How long a sender may go on sending after it was asked to stop.
STOP_S = 30.0
# The variables that determine where MLflow's runs and files go, and with which credentials.
STORE_VARIABLES = ("MLFLOW_TRACKING_", "MLFLOW_REGISTRY_", "MLFLOW_S3_", "AWS_")


@dataclass(frozen=True)
class Waiting:
    """The number of journals that wait to be sent, and the reason if the tracker refused or did not answer."""

    journals: int
    why: str | None

    def __str__(self) -> str:
        """Return one line for the terminal."""
        runs = "1 MLflow run" if self.journals == 1 else f"{self.journals} MLflow runs"
        reason = f": {self.why}" if self.why else ""
        return f"{runs} not sent yet, kept in .trifold/outbox until the next run{reason}"


@dataclass(frozen=True)
class NewVersion:
    """A new version of the registered model `name`, with the data for the gate.

    The module `loader` opens the folder `exported` (`engine/registry/packing.py`). `predictions` is the table for its
    test data, which the module `judge` compares with the champion's.
    """

    name: str
    exported: Path
    loader: str
    predictions: Path
    judge: str


@dataclass(frozen=True)
class Journal:
    """The journal of one MLflow run: each call appends a line and never waits."""

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
        """Begin a run of the project at `root`; its tags also hold machine, commit and library versions."""
        known = {**describe_machine(), **describe_source(ROOT), **(tags or {})}
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
        """Record the metrics of one step; each call is one line, sent in one batch."""
        self._append("metrics", figures={key: float(value) for key, value in figures.items()}, step=step)

    def tags(self, tags: Mapping[str, str]) -> None:
        """Add tags that are known only after the beginning, such as the md5 of the outputs."""
        self._append("tags", tags=_strip(tags))

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keep the current content of a file or folder as an artifact, in `folder` of the run's artifacts."""
        self._append("artifact", file=self._keep(path), folder=folder)

    def model(self, version: NewVersion, tags: Mapping[str, str]) -> None:
        """Keep a model, to be registered as a new version and passed to the gate."""
        kept = {"exported": self._keep(version.exported), "predictions": self._keep(version.predictions)}
        named = {"name": version.name, "loader": version.loader, "judge": version.judge}
        self._append("model", **named, **kept, tags=_strip(tags))

    def link(self, stage: str, tags: Mapping[str, str]) -> None:
        """Link the earlier run with these tags, in place of a run of the cached stage."""
        self._append("link", stage=stage, tags=_strip(tags))

    def end(self, status: Status) -> None:
        """End the run; no event may follow."""
        self._append("end", status=status)

    def _append(self, event: str, **content: Any) -> None:
        with self._lock:
            append_event(self.folder / EVENTS, {"event": event, "time_ms": _now_ms(), **content})

    def _keep(self, path: Path) -> str:
        """Keep a copy of a file or folder in the journal; return its path relative to the journal."""
        place = Path("files") / str(next(self._count)) / path.name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                _keep_file(file, self.folder / place / file.relative_to(path))
        return place.as_posix()


def start_sender(root: Path) -> Identity:
    """Return the sender process of `root`; it is started if none with this process's settings runs.

    Begin a journal before calling this: a sender that is about to end checks for new journals once more.
    """
    root = root.resolve()
    record = read_json(find_outbox(root) / SENDER)
    if record.get("settings") == name_settings() and not (sender := Identity(**record["process"])).is_gone():
        return sender
    env = dict(os.environ)
    set_quiet_environment(env)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ORIGIN), env.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "flows.engine.tracking.sender", str(root), name_settings()]
    return launch(command, folder=root, env=env, log=root / ".trifold" / "logs" / "sender.log")


def stop_sender(root: Path) -> bool:
    """Stop the sender of `root`, which first sends the waiting journals; return whether one was running."""
    record = read_json(find_outbox(root) / SENDER)
    return bool(record) and stop_group([Identity(**record["process"])], patience_s=STOP_S)


@cache
def name_settings() -> str:
    """Return a digest of what determines how a journal is sent: the engine's code and MLflow's address."""
    store = sorted((name, value) for name, value in os.environ.items() if name.startswith(STORE_VARIABLES))
    return hashlib.sha256(repr((sign_code("flows/engine"), store)).encode()).hexdigest()[:16]


def sign_code(*folders: str) -> str:
    """Return a digest that changes with any source file that a sender may import, or of the given folders."""
    files = sorted(file for folder in folders or ("flows", "tasks") for file in (ORIGIN / folder).rglob("*.py"))
    stats = [(file.as_posix(), file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()


def count_waiting(root: Path) -> Waiting:
    """Return the number of journals that wait to be sent, and why the sender's last attempt failed."""
    journals = list_journals(root)
    return Waiting(len(journals), _read_trouble(root) if journals else None)


def wait_sent(root: Path, sender: Identity, *, timeout_s: float) -> Waiting:
    """Wait until every finished journal is sent, the sender has failed or ended, or the time is up."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        left = [journal for journal in list_journals(root) if not journal.has_writer()]
        if not left or _read_trouble(root) or not _is_sending(root, sender):
            break
        time.sleep(POLL_S)
    return count_waiting(root)


def _is_sending(root: Path, sender: Identity) -> bool:
    """Return whether a sender runs: this one or its predecessor."""
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
    """Create a journal that becomes visible only with its first line."""
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
        # The target is on another file system, or the file system has no hard links.
        shutil.copyfile(source, kept)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
