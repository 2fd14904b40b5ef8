"""Checkpoints of an unfinished training, so that a killed process loses at most an epoch."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from tasks.report import Report

FILE = "training.pt"


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replace the folder's checkpoint: after a kill at any moment the file is either the old or the new one.

    The write is not synced to the disk: `read_checkpoint` sets aside a file that a power cut left damaged.
    """
    write_whole(folder / FILE, save_to_bytes(state))


def read_checkpoint(folder: Path, report: Report) -> dict[str, Any] | None:
    """Return the folder's checkpoint, or None; an unreadable one is renamed and reported."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError, KeyError) as error:
        aside = path.with_suffix(".broken")
        path.replace(aside)
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        report.say(f"The checkpoint cannot be read ({reason}) and is renamed to {aside.name}; training starts again.")
        return None
    return dict(state)


def save_to_bytes(content: Any) -> bytes:
    """Return torch.save's bytes, written to a buffer: torch.save to a file would store the file's name in it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that readers never see a part of it."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
