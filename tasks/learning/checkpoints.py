"""What an unfinished training keeps on disk, so that a kill costs at most an epoch."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from tasks.report import Report

FILE = "training.pt"


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replace the folder's checkpoint: after a kill at any moment either the old or the new one is whole.

    Nobody waits for the disk: what a power cut may leave of the file is set aside when it is read.
    """
    write_whole(folder / FILE, save_to_bytes(state))


def read_checkpoint(folder: Path, report: Report) -> dict[str, Any] | None:
    """Return the folder's checkpoint, or None; an unreadable one is set aside, and the report says so."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError, KeyError) as error:
        aside = path.with_suffix(".broken")
        path.replace(aside)
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        report.say(f"checkpoint set aside as {aside.name}: unreadable ({reason}); training starts over")
        return None
    return dict(state)


def save_to_bytes(content: Any) -> bytes:
    """Return torch.save's bytes; into a buffer, since into a file it would write the file's name."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half-written."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
