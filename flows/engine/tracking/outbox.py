"""The folder in which journals wait to be sent: `.trifold/outbox/<journal>/`."""

import json
import os
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.engine.machine import Identity

EVENTS = "events.jsonl"
SYSTEM = "system.jsonl"
SENT = "sent.json"
TOLD = "told"
# A writer on another host (or in another container) cannot be seen: after so long a silence it has ended.
UNSEEN_WRITER_S = 24 * 3600.0

Event = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One event of a file, and the byte after it, where reading goes on."""

    event: Event
    end: int


def find_outbox(root: Path) -> Path:
    """Return the folder of the project's journals (which need not exist yet)."""
    return root / ".trifold" / "outbox"


def list_journals(root: Path) -> list[Path]:
    """Return the folders of the journals that wait, the oldest first."""
    outbox = find_outbox(root)
    return sorted(outbox.glob("[0-9]*")) if outbox.is_dir() else []


def read_lines(path: Path, offset: int = 0) -> list[Line]:
    """Return the whole lines of a file of events from byte `offset` on; one torn by a kill is left out."""
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
        # Torn by a crash and written on after it: what is lost is that line alone.
        return {}
    return event


def append_event(path: Path, event: Mapping[str, Any]) -> None:
    """Append one line in a single write, so that a reader sees it whole or not at all."""
    line = json.dumps(event, ensure_ascii=False) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file whole: a reader sees the old one or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds, or nothing when there is no such file."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


def has_writer(journal: Path) -> bool:
    """Return whether the process that writes a journal may still write to it."""
    events, opening = journal / EVENTS, read_opening(journal)
    if not opening or read_ending(events):
        return False
    if is_foreign(journal):
        return time.time() - events.stat().st_mtime < UNSEEN_WRITER_S
    return not Identity(**opening["writer"]).is_gone()


def is_foreign(journal: Path) -> bool:
    """Return whether a journal is written on another host, so that its writer cannot be watched from here."""
    opening = read_opening(journal)
    return bool(opening) and opening["writer"]["host"] != socket.gethostname()


def read_opening(journal: Path) -> Event:
    """Return the first event of a journal, or nothing when it has none."""
    try:
        with (journal / EVENTS).open("rb") as file:
            line = file.readline()
    except FileNotFoundError:
        return {}
    return _parse(line)


def read_ending(events: Path) -> Event:
    """Return the event that ended a journal, or nothing while it is open or when it has just been sent."""
    try:
        with events.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return {}
    last = _parse(lines[-1]) if lines else {}
    return last if last.get("event") == "end" else {}


def leave_told(journal: Path, text: str) -> None:
    """Leave one line for the person who runs a flow; it outlives the journal that it came from."""
    folder = journal.parent / TOLD
    folder.mkdir(exist_ok=True)
    (folder / f"{journal.name}.txt").write_text(text)


def take_told(root: Path) -> list[str]:
    """Return the lines left for a person, the oldest first, and forget them."""
    lines = []
    for path in sorted((find_outbox(root) / TOLD).glob("*.txt")):
        lines.append(path.read_text())
        path.unlink(missing_ok=True)
    return lines


def drop_journal(journal: Path) -> None:
    """Delete a journal, out of sight first, so that no other reads a half-deleted one."""
    hidden = journal.with_name(f".sent-{journal.name}")
    journal.rename(hidden)
    shutil.rmtree(hidden)
