"""Checkpoints of an unfinished training in DVC's remote, so that another node of the same kind can go on from them."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from flows.engine import tags
from flows.engine.cache.remote import Remote
from flows.engine.cache.shared import RemoteAwayError, ask_patiently
from flows.engine.compute.messages import StageReport
from flows.engine.graph.definitions import hash_text
from flows.engine.machine import describe_machine
from flows.engine.project import STATE, make_state_folder

FOLDER = "checkpoints"  # in .trifold
LOOK_S = 1.0


class Checkpoints:
    """In this block, each checkpoint that a stage writes is copied to the remote, in place of the one before.

    At the beginning, the checkpoints of an earlier try on the same kind of processor and GPU are fetched; on another
    kind a training would end with other last bits, so it begins anew. At the end of a stage that was computed, they are
    deleted.
    """

    def __init__(self, stage: str, key: str, report: StageReport) -> None:
        here = describe_machine()
        self._key, self._kind = key, hash_text(here[tags.CPU].partition(",")[0] + here[tags.GPU])
        self._stage, self._report = stage, report
        self._sent: dict[Path, int] = {}
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="checkpoints", daemon=True)

    def __enter__(self) -> None:
        folder = make_state_folder(FOLDER)
        kinds = ask_patiently(lambda remote: remote.list_checkpoints(self._key), self._report.check)
        if self._kind in kinds:
            ask_patiently(lambda remote: remote.fetch_checkpoints((self._key, self._kind), folder), self._report.check)
            self._report.say("goes on from a checkpoint of an earlier try")
        elif kinds:
            self._report.say("begins anew: the checkpoint of an earlier try is of another kind of processor or GPU")
        self._sent = self._list_files()
        self._watcher.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._watcher.join()
        with suppress(RemoteAwayError):
            if kind is None:
                ask_patiently(lambda remote: remote.drop_checkpoints(self._key), lambda: None)
            else:
                self._send()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            with suppress(RemoteAwayError):
                self._send()

    def _send(self) -> None:
        for path, written_ns in self._list_files().items():
            if self._sent.get(path) != written_ns:
                self._keep(path)
                self._sent[path] = written_ns

    def _keep(self, path: Path) -> None:
        place = (self._key, self._kind, path.parent.name)

        def keep(remote: Remote) -> None:
            if path.exists():  # a stage that has finished deletes its checkpoints
                remote.keep_checkpoint(path, place)

        ask_patiently(keep, lambda: None)

    def _list_files(self) -> dict[Path, int]:
        written = {}
        for path in (STATE / FOLDER).glob(f"{self._stage}-{'[0-9a-f]' * 16}/*"):
            with suppress(FileNotFoundError):
                if path.suffix != ".tmp":
                    written[path] = path.stat().st_mtime_ns
        return written
