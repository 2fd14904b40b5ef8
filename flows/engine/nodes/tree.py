"""The project's code and params as one archive, which a node unpacks and computes in."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.engine.cache.shared import describe_remote
from flows.engine.project import ROOT

FOLDERS = ("flows", "tasks", "params")
FILES = ("dvc.yaml", ".dvcignore")
# Relative to the tree's folder `.dvc`: all trees of a node share one cache.
CACHE = "../../../cache"


@dataclass(frozen=True)
class Tree:
    """A tar archive and its name, which is a digest of its content."""

    name: str
    content: bytes


def pack_tree() -> Tree:
    """Return the tree of the project as it is on disk: the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(_list_files()):
            _add(archive, path.relative_to(ROOT).as_posix(), path.read_bytes())
        _add(archive, ".dvc/config", _write_config().encode())
    content = buffer.getvalue()
    return Tree(hashlib.sha256(content).hexdigest()[:16], content)


def _list_files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    yield from (path for name in FILES if (path := ROOT / name).exists())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _write_config() -> str:
    """Return DVC's settings on a node: the driver's default remote, without its secrets, and the node's own cache."""
    core: dict[str, Any] = {"no_scm": True, "analytics": False, "check_update": False, "remote": "store"}
    sections = {
        "core": core,
        "cache": {"dir": CACHE, "type": "reflink,hardlink,copy"},
        "'remote \"store\"'": describe_remote(),
    }
    lines = []
    for name, settings in sections.items():
        lines += [f"[{name}]", *(f"    {key} = {value}" for key, value in settings.items())]
    return "\n".join(lines) + "\n"
