"""The nodes of a run: each computes one stage at a time; a stage whose node is lost is computed by another."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

from flows.engine.cache import shared
from flows.engine.cache.store import Delivery, Verdict, Wanted
from flows.engine.compute.job import Usage
from flows.engine.compute.messages import Message, StageReport, forward, unpack_error
from flows.engine.errors import EngineError, KilledError
from flows.engine.graph.stage import Stage
from flows.engine.nodes.checkpoints import Checkpoints
from flows.engine.nodes.executor import Computed, compute_here
from flows.engine.nodes.order import Order
from flows.engine.nodes.tree import Tree, pack_tree
from flows.engine.redact import strip_secrets
from flows.engine.tags import NODE

TRIES = 3
CHECK_S = 0.1


class Slot(Protocol):
    """Computes one stage at a time on a node."""

    name: str

    def compute(self, order: str, tree: Tree) -> Generator[str]:
        """Compute a stage; yield messages as lines of JSON, at least one each second, until `done`, `failed` or `lost`.

        A caller that closes the generator stops the stage at its next batch.
        """


class Transport(Protocol):
    """A way to nodes."""

    def open(self, pool: Pool) -> None:
        """Add the nodes' slots to the pool, now and as nodes come; raises EngineError when there are none."""

    def close(self) -> None:
        """End what runs on the nodes for this pool."""


class LostError(EngineError):
    """A node, or the process of a stage on it, ended before the stage did, or cannot reach DVC's remote."""


class NoNodeError(EngineError):
    """All nodes are gone."""


class Pool:
    """Computes the stages of a run on nodes, which may come and go."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._is_open = False
        self._slots: list[Slot] = []
        self._free: list[Slot] = []
        self._changed = threading.Condition()
        self._opening = threading.Lock()

    def add(self, slot: Slot) -> None:
        """Take up a slot of a node that came."""
        with self._changed:
            self._slots.append(slot)
            self._free.append(slot)
            self._changed.notify_all()

    def drop(self, slot: Slot) -> None:
        """Forget a slot whose node is gone."""
        with self._changed:
            self._slots = [other for other in self._slots if other is not slot]
            self._free = [other for other in self._free if other is not slot]
            self._changed.notify_all()

    def compute(self, stage: Stage, report: StageReport, wanted: Wanted) -> Computed:
        """Compute a stage on a node, after others that were there first; return its result, fetched into the cache.

        Raises what `run_stage` raises; LostError after `TRIES` tries.
        """
        if outside := [path for path in stage.files if Path(path).is_absolute()]:
            report.say(f"computed on this machine: {outside[0]} is outside the project, and only its files travel")
        if outside or not wanted.key:
            return compute_here(stage, report, wanted)
        self._open()
        order = Order.of(stage, wanted)
        shared.ask_patiently(lambda remote: remote.offer(order.inputs), report.check)
        try:
            usage = self._try_nodes(order, report)
        except NoNodeError as error:
            report.say(f"computed on this machine: {error}")
            with Checkpoints(stage.name, wanted.key, report):
                return compute_here(stage, report, wanted)
        outputs = shared.ask_patiently(lambda remote: remote.fetch(stage.name, wanted.key), report.check)
        if outputs is None:
            raise LostError(f"{stage.name}: DVC's remote lacks what a node computed: run again")
        return Computed(usage, Delivery(Verdict.RAN if usage else Verdict.RESTORED, outputs))

    def _try_nodes(self, order: Order, report: StageReport) -> Usage | None:
        """Have nodes make a result, until one has; return what that cost, None where it was found.

        Raises NoNodeError when no node is left.
        """
        tried: list[Slot] = []
        for number in range(1, TRIES + 1):
            with self._take(report, tried) as slot:
                try:
                    return self._follow(slot, order, report)
                except (LostError, KilledError) as error:
                    report.say(f"try {number} of {TRIES} on {slot.name} was lost: {error}")
                    # The node may have finished all the same: the remote is the truth.
                    if shared.ask_patiently(lambda remote: remote.has_result(order.key), report.check):
                        return None
                    if number == TRIES:
                        raise
            tried.append(slot)
        raise AssertionError

    def close(self) -> None:
        """End what runs on the nodes for this run."""
        if self._is_open:
            self._transport.close()

    def _open(self) -> None:
        with self._opening:
            if not self._is_open:
                self._transport.open(self)
                self._is_open = True

    @cached_property
    def _packed(self) -> Tree:
        return pack_tree()

    @contextmanager
    def _take(self, report: StageReport, tried: Sequence[Slot]) -> Iterator[Slot]:
        """Yield a slot that is free, after waiting for one; the one that was free for longest comes first.

        One that was tried is taken only where there is no other.
        """
        with self._changed:
            while not (usable := self._list_usable(tried)):
                report.check()
                self._changed.wait(CHECK_S)
            slot = usable[0]
            self._free.remove(slot)
        try:
            yield slot
        finally:
            with self._changed:
                if slot in self._slots:
                    self._free.append(slot)
                    self._changed.notify_all()

    def _list_usable(self, tried: Sequence[Slot]) -> list[Slot]:
        if not self._slots:
            raise NoNodeError("no node is left")
        others = [slot for slot in self._slots if slot not in tried]
        return [slot for slot in self._free if not others or slot in others]

    def _follow(self, slot: Slot, order: Order, report: StageReport) -> Usage | None:
        """Compute a stage on a slot and hand on its messages; return what it cost, None where it was found."""
        with self._opening:
            tree = self._packed
        lines = slot.compute(order.as_line(), tree)
        try:
            for line in lines:
                report.check()
                message: Message = json.loads(line)
                if message["event"] == "begin":
                    message["machine"][NODE] = slot.name
                    report.say(f"computed on {slot.name}")
                if forward(message, report) or message["event"] == "beat":
                    continue
                return _end(order.stage, message)
        finally:
            lines.close()
        raise LostError(f"{order.stage}: {slot.name} ended without an answer")


def _end(stage: str, message: Message) -> Usage | None:
    match message["event"]:
        case "done":
            return Usage(**message["usage"]) if message["usage"] else None
        case "failed":
            raise unpack_error(message["error"])
        case _:
            raise LostError(strip_secrets(f"{stage}: {message['text']}\n{message['log']}".rstrip()))
