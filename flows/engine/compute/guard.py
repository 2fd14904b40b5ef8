"""The guard: what a stage made counts only when nothing that it reads changed while it ran."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from flows.engine import STARTED_NS
from flows.engine.errors import EngineError
from flows.engine.graph.params import dig, params_file, read_yaml
from flows.engine.graph.stage import Stage
from flows.engine.project import ROOT

BYTECODE = "__pycache__"  # Python writes it where code is imported; DVC leaves it out too, by .dvcignore


class DisturbedError(EngineError):
    """An input changed while a stage read it: what the stage made is thrown away."""

    by_input = False


class InputDisturbedError(DisturbedError):
    """A file changed, which may only have been restored, with the same bytes, by another driver."""

    by_input = True


class Guard:
    """Notes every input of a stage before its work, and compares afterwards.

    DVC hashes inputs after the work and so would record an edit made meanwhile as what was read.
    """

    def __init__(self, stage: Stage) -> None:
        """Raise EngineError when this process no longer runs what is on disk."""
        self._stage = stage
        self._refuse_old_code()
        self._compare_params("began")
        self._before = self._sign_inputs()

    def check(self) -> None:
        """Raise DisturbedError naming what changed since the guard was made."""
        self._refuse_old_code()
        self._compare_params("ran")
        after = self._sign_inputs()
        changed = sorted(
            path for path in self._before.keys() | after.keys() if self._before.get(path) != after.get(path)
        )
        if changed:
            raise InputDisturbedError(
                f"{self._stage.name}: {_name_some(changed)} changed while the stage read it; what it made was thrown "
                "away: run it again"
            )

    def _sign_inputs(self) -> dict[str, tuple[int, int, int]]:
        """Return inode, size and time of change of each input file: a restored or edited one differs."""
        return dict(signed for dep in self._stage.deps for signed in _sign(ROOT / dep))

    def _refuse_old_code(self) -> None:
        # The time of change of the inode cannot be set by hand, as that of the content can.
        late = [name for name in self._stage.code if (ROOT / name).stat().st_ctime_ns > STARTED_NS]
        if late:
            raise DisturbedError(
                f"{self._stage.name}: {_name_some(late)} changed after this process started, so it may run old code; "
                "nothing was recorded: run it again"
            )

    def _compare_params(self, verb: str) -> None:
        if not self._stage.tracked:
            return
        name = params_file(self._stage.flow)
        now = read_yaml(name)
        for key, value in self._stage.tracked.items():
            if (found := dig(now, key)) != value:
                raise DisturbedError(
                    f"{self._stage.name}: {key} in {name} changed since the run {verb}, from {value!r} to {found!r}; "
                    "nothing was recorded: run it again"
                )


def _sign(path: Path) -> Iterator[tuple[str, tuple[int, int, int]]]:
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders[:] = (name for name in folders if name != BYTECODE)
            for name in names:
                yield from _sign(Path(folder, name))
    elif path.exists():
        stat = path.stat()
        yield str(path), (stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _name_some(paths: list[str]) -> str:
    shown = [os.path.relpath(ROOT / path, ROOT) for path in paths[:3]]
    return ", ".join(shown) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
