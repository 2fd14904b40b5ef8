"""The guard: discards a stage's output when an input changed while the stage ran."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from flows.engine.compute.job import Job
from flows.engine.errors import EngineError
from flows.engine.graph.fingerprint import name_changes
from flows.engine.graph.params import dig, params_file, read_yaml
from flows.engine.project import ROOT

BYTECODE = "__pycache__"  # Python writes it where code is imported; DVC leaves it out too, by .dvcignore


class DisturbedError(EngineError):
    """An input changed while a stage read it: the stage's output is discarded."""

    by_input = False


class InputDisturbedError(DisturbedError):
    """An input file changed; another driver may have restored it with the same bytes."""

    by_input = True


class Guard:
    """Notes all inputs of a stage before its work, and compares them afterwards.

    DVC hashes inputs after the work, so it would record an edit made meanwhile as the input that was read. Code is
    compared by its fingerprint, so an edited comment does not matter.
    """

    def __init__(self, stage: Job) -> None:
        """Raises DisturbedError when the code on disk differs from the driver's, or a param has changed.

        The stage's process creates the guard after importing the stage's code.
        """
        self._stage = stage
        self._compare_code()
        self._compare_params("began")
        self._before = self._sign_inputs()

    def check(self) -> None:
        """Raise DisturbedError naming what changed since the guard was created."""
        self._compare_code()
        self._compare_params("ran")
        after = self._sign_inputs()
        changed = sorted(
            path for path in self._before.keys() | after.keys() if self._before.get(path) != after.get(path)
        )
        if changed:
            raise InputDisturbedError(
                f"{self._stage.name}: {_name_files(changed)} changed while the stage ran; its output was discarded: "
                "run again"
            )

    def _sign_inputs(self) -> dict[str, tuple[int, int, int]]:
        """Return inode, size and modification time of each input file; a restored or edited file differs."""
        code = self._stage.code.path
        return dict(signed for dep in self._stage.deps if dep != code for signed in _sign(ROOT / dep))

    def _compare_code(self) -> None:
        """Raise when the code on disk, or the fingerprint file that DVC will record, differs from the driver's."""
        if not self._stage.flow:
            return  # the stage that writes the fingerprints: it depends on the files themselves
        code, driver = self._stage.code, self._stage.fingerprint
        on_disk = driver if self._stage.is_current() else code.make_fingerprint()
        for found in (on_disk, code.read_fingerprint()):
            if changed := name_changes(driver, found):
                raise DisturbedError(
                    f"{self._stage.name}: {_name_some(changed)} changed since the run began; nothing was recorded: run "
                    "it again"
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


def _name_files(paths: list[str]) -> str:
    return _name_some([os.path.relpath(path, ROOT) for path in paths])


def _name_some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
