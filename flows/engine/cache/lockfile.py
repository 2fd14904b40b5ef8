"""Reads and writes dvc.lock stage by stage instead of as a whole.

DVC parses and serialises all of dvc.lock for each recorded stage, in pure Python. The file has one block of lines per
stage, so here DVC's own code parses a block only when it is read and serialises it only when it changes; the other
blocks keep their bytes. A file in another form (edited by hand, or with a merge conflict) is left to DVC's own code.
Written against the pinned version of DVC, as `store.py` is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from flows.engine.files import write_whole
from flows.engine.graph.dvc_yaml import CHECK

HEAD = "schema: '2.0'\nstages:\n"
_BLOCK = re.compile(r"  ([A-Za-z][\w.-]*):\n(?:    .*\n)+")
# A YAML alias may refer to another stage's block.
_ALIAS = re.compile(r"[:-] \*\w")
_STAGE = re.compile(r"^  ([A-Za-z][\w.-]*):$", re.MULTILINE)


class Blocks(MutableMapping[str, Any]):
    """The stages of a dvc.lock by name: each is parsed when read and serialised when set."""

    def __init__(self, texts: dict[str, str], path: str) -> None:
        self._texts = texts
        self._path = path
        self.recorded: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        return _parse_block(self._texts[name], self._path)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        from dvc.utils.serialize import dumps_yaml

        self.recorded.add(name)
        self._texts[name] = dumps_yaml({"stages": {name: _copy_apart(value)}}).partition("\n")[2]

    def __delitem__(self, name: str) -> None:
        del self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def as_file(self) -> dict[str, Any]:
        """Return the file's content in DVC's form."""
        return {"schema": "2.0", "stages": self}

    def render(self) -> str:
        """Return the text of the file."""
        return HEAD + "".join(self._texts.values())


@cache
def replace_lock_access() -> None:
    """Make DVC, in this process, read and write dvc.lock stage by stage."""
    import dvc.dvcfile

    load_whole = dvc.dvcfile.Lockfile._load_yaml

    def load(self: Any, **kwargs: Any) -> tuple[Any, str]:
        blocks = _read(Path(self.path))
        return load_whole(self, **kwargs) if blocks is None else (blocks.as_file(), blocks.render())

    dvc.dvcfile.Lockfile._load_yaml = load
    dvc.dvcfile.modify_yaml = _modify


def _read(path: Path) -> Blocks | None:
    """Return the stages of a dvc.lock; None if it does not have the form that DVC writes."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return None
    texts: dict[str, str] = {}
    end = len(HEAD)
    for block in _BLOCK.finditer(text, end):
        if block.start() != end or block[1] in texts:
            return None
        texts[block[1]], end = block[0], block.end()
    is_whole = text.startswith(HEAD) and end == len(text) and not _ALIAS.search(text)
    return Blocks(texts, str(path)) if is_whole else None


@lru_cache(maxsize=4096)
def _parse_block(text: str, path: str) -> dict[str, Any]:
    from dvc.dvcfile import Lockfile
    from dvc.utils.serialize import parse_yaml

    data = parse_yaml(HEAD + text, path)
    Lockfile.validate(data, path)
    stages: dict[str, Any] = data["stages"]
    return stages


def _copy_apart(value: Any) -> Any:
    """Return a copy in which no object occurs twice: YAML would write the second one as an alias."""
    if isinstance(value, dict):
        return {key: _copy_apart(part) for key, part in value.items()}
    return [_copy_apart(part) for part in value] if isinstance(value, list) else value


@contextmanager
def _modify(path: str, fs: Any = None) -> Iterator[Any]:
    """Yield dvc.lock's content to be changed, then write it atomically: a kill leaves the old file or the new one.

    The caller holds DVC's repository lock. Stages that dvc.yaml no longer has are left out, but not yet when the first
    stage is recorded: the command that it precedes may fail.
    """
    from dvc.utils.serialize import modify_yaml

    lock = Path(path)
    blocks = _read(lock) if lock.exists() else Blocks({}, path)
    if blocks is None:
        with modify_yaml(path, fs=fs) as data:
            yield data
        return
    yield blocks.as_file()
    if blocks.recorded != {CHECK}:
        for name in set(blocks) - list_stages(lock.with_suffix(".yaml")):
            del blocks[name]
    write_whole({lock: blocks.render()})


def list_stages(path: Path) -> set[str]:
    """Return the names of the stages in a dvc.yaml or dvc.lock, none where there is no such file."""
    return set(_STAGE.findall(path.read_text(encoding="utf-8", errors="replace"))) if path.exists() else set()
