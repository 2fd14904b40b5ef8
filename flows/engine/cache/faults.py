"""Converts DVC's errors to messages that say what to do, and checks early what DVC would only refuse at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.engine.errors import EngineError
from flows.engine.graph.stage import Stage
from flows.engine.project import ROOT

CONFLICT = "<<<<<<< "
# DVC's own files in a project, and the command that repairs each.
REMEDIES = {
    "dvc.lock": "`git restore dvc.lock`, or `rm dvc.lock`: outputs in DVC's cache are then restored",
    "dvc.yaml": "`python -m flows graph --write` writes it again",
    ".dvc/config": "`git restore .dvc/config`",
    ".dvc/config.local": "edit it, or `rm .dvc/config.local`",
}


@contextmanager
def explain_faults() -> Iterator[None]:
    """Raise DVC's exceptions in this block as EngineErrors with the command that fixes the cause."""
    from dvc.exceptions import DvcException
    from dvc_objects.errors import ObjectFormatError

    try:
        yield
    except (DvcException, ObjectFormatError) as error:
        raise EngineError(_explain(error)) from error


def refuse_links(stage: Stage) -> None:
    """Raise EngineError when a stage's output is, or is in, a symbolic link; DVC refuses it only after the work."""
    place = Path(stage.artifact.path)
    for folder in (*reversed(place.parents[:-1]), place):
        if (ROOT / folder).is_symlink():
            raise EngineError(
                f"{folder} is a symbolic link, behind which DVC tracks no data: `rm {folder}`; to keep data on "
                "another disk, `dvc cache dir --local /DISK/cache; dvc config --local cache.type symlink`"
            )


def refuse_foreign_lock(lock: Any) -> None:
    """Raise EngineError when `core.hardlink_lock` meets a lock file made without it: DVC would wait for it for ever."""
    from dvc.lock import HardlinkLock
    from flufl.lock import NotLockedError

    if not isinstance(lock, HardlinkLock) or not (path := Path(lock.lockfile)).exists():
        return
    try:
        _ = lock.details
    except NotLockedError:
        name = path.relative_to(ROOT)
        raise EngineError(
            f"core.hardlink_lock is set, but {name} was made without it: end all DVC commands, then `rm {name}`"
        ) from None


def _explain(error: Exception) -> str:
    from dvc.config import ConfigError
    from dvc.scm import SCMError

    message = " ".join(str(error).split())
    if isinstance(error, SCMError):
        return f"{message}, and DVC needs one: `git init && git add --all && git commit -m start` in {ROOT}"
    if isinstance(error, ConfigError):
        return f"DVC's {message}: {_name_remedies('.dvc/config', '.dvc/config.local')}"
    for name in ("dvc.lock", "dvc.yaml"):
        if name in message:
            return _explain_file(name, message)
    return f"DVC: {message}; `python -m flows doctor` checks the repository, `dvc status -v` shows DVC's details"


def _explain_file(name: str, message: str) -> str:
    path = ROOT / name
    if path.is_file() and any(line.startswith(CONFLICT) for line in path.read_text(errors="replace").splitlines()):
        message = f"{name} contains merge conflict markers: `git checkout --ours {name}` (or --theirs) takes one side"
        return f"{message}; if no merge is in progress: {REMEDIES[name]}"
    return f"{message}: {REMEDIES[name]}"


def _name_remedies(*names: str) -> str:
    return "; ".join(REMEDIES[name] for name in names if (ROOT / name).exists())
