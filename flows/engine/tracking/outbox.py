"""The folder in which journals wait to be sent: `.trifold/outbox/<journal>/`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flows.engine.machine import Identity

EVENTS = "events.jsonl"
SYSTEM = "system.jsonl"
SENT = "sent.json"
MESSAGES = "messages"
# A writer on another host or in another container cannot be checked: after this much silence it counts as ended.
UNSEEN_WRITER_S = 24 * 3600.0

Event = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One event of a file, and the offset after it, from which reading continues."""

    event: Event
    end: int


@dataclass(frozen=True)
class Sent:
    """How far a journal has been sent; written after each step, so an interruption repeats at most one step."""

    run_id: str = ""
    events: int = 0
    samples: int = 0
    sampled_ms: int = 0
    sample_count: int = 0


@dataclass(frozen=True)
class OutgoingJournal:
    """One journal for reading, while its writer may still append to it."""

    folder: Path

    @property
    def name(self) -> str:
        """The journal's name, a tag of the MLflow run."""
        return self.folder.name

    @cached_property
    def opening(self) -> Event:
        """The first event; empty when the journal has just been sent and deleted."""
        try:
            with (self.folder / EVENTS).open("rb") as file:
                line = file.readline()
        except FileNotFoundError:
            return {}
        return _parse(line)

    @property
    def is_foreign(self) -> bool:
        """Whether its writer is on another host, where it cannot be checked."""
        return bool(self.opening) and self.opening["writer"]["host"] != socket.gethostname()

    def has_writer(self) -> bool:
        """Return whether the process that writes it may still write to it."""
        if not self.opening or self.read_ending():
            return False
        if self.is_foreign:
            return time.time() - (self.folder / EVENTS).stat().st_mtime < UNSEEN_WRITER_S
        return not Identity(**self.opening["writer"]).is_gone()

    def is_live(self) -> bool:
        """Return whether a process of this host may still write to it."""
        return self.has_writer() and not self.is_foreign

    def read_events(self, offset: int = 0) -> list[Line]:
        """Return the events from byte `offset` on."""
        return _read_lines(self.folder / EVENTS, offset)

    def read_samples(self, offset: int = 0) -> list[Line]:
        """Return the samples of the machine's load during the run, from byte `offset` on."""
        return _read_lines(self.folder / SYSTEM, offset)

    def add_sample(self, sample: Event) -> None:
        """Append one sample of the machine's load."""
        append_event(self.folder / SYSTEM, sample)

    def read_ending(self) -> Event:
        """Return the end event; empty while the journal is open or when it has just been deleted."""
        try:
            with (self.folder / EVENTS).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                lines = file.read().splitlines()
        except FileNotFoundError:
            return {}
        last = _parse(lines[-1]) if lines else {}
        return last if last.get("event") == "end" else {}

    def find_end_ms(self) -> int | None:
        """Return when the run ended: by its end event, or else by its last event; None while it runs."""
        if ending := self.read_ending():
            return int(ending["time_ms"])
        return None if self.has_writer() else int((self.folder / EVENTS).stat().st_mtime * 1000)

    def read_sent(self) -> Sent:
        """Return how far the journal has been sent."""
        return Sent(**read_json(self.folder / SENT))

    def note_sent(self, sent: Sent) -> Sent:
        """Record how far the journal has been sent, and return that."""
        write_json(self.folder / SENT, asdict(sent))
        return sent

    def leave_message(self, text: str) -> None:
        """Leave one message for the user, which the next run prints; it outlives the journal."""
        folder = self.folder.parent / MESSAGES
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.txt").write_text(text)

    def drop(self) -> None:
        """Delete the journal; it is renamed first, so that nobody reads a half-deleted one."""
        hidden = self.folder.with_name(f".sent-{self.name}")
        self.folder.rename(hidden)
        shutil.rmtree(hidden)


def find_outbox(root: Path) -> Path:
    """Return the folder of the project's journals, which may not exist yet."""
    return root / ".trifold" / "outbox"


def list_journals(root: Path) -> list[OutgoingJournal]:
    """Return the journals that wait to be sent, the oldest first."""
    return [OutgoingJournal(folder) for folder in sorted(find_outbox(root).glob("[0-9]*"))]


def _read_lines(path: Path, offset: int) -> list[Line]:
    """Return the complete lines of a file of events from byte `offset` on; a line cut short by a kill is skipped."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(offset)
        chunk = file.read()
    lines = []
    for line in chunk[: chunk.rfind(b"\n") + 1].splitlines(keepends=True):
        offset += len(line)
        if event := _parse(line):
            lines.append(Line(event, offset))
    return lines


def _parse(line: bytes) -> Event:
    try:
        event: Event = json.loads(line)
    except ValueError:
        # A line cut short by a crash, with another appended to it: only this line is lost.
        return {}
    return event


def append_event(path: Path, event: Mapping[str, Any]) -> None:
    """Append one line in a single write, so that a reader sees all of it or nothing."""
    line = json.dumps(event, ensure_ascii=False) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file atomically: a reader sees the old content or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file, or an empty mapping if there is no such file."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


def take_messages(root: Path) -> list[str]:
    """Return the messages left for the user, the oldest first, and delete them."""
    lines = []
    for path in sorted((find_outbox(root) / MESSAGES).glob("*.txt")):
        lines.append(path.read_text())
        path.unlink(missing_ok=True)
    return lines
