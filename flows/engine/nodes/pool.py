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

    def close(self) -> None:
        """End what runs on the node for this slot."""


class LostError(EngineError):
    """A node, or the process of a stage on it, ended before the stage did, or cannot reach DVC's remote."""


class Pool:
    """Computes the stages of a run on nodes."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = slots
        self._free = list(slots)
        self._changed = threading.Condition()
        self._packing = threading.Lock()

    def compute(self, stage: Stage, report: StageReport, wanted: Wanted) -> Computed:
        """Compute a stage on a node, after others that were there first; return its result, fetched into the cache.

        Raises what `run_stage` raises; LostError after `TRIES` tries.
        """
        if outside := [path for path in stage.files if Path(path).is_absolute()]:
            report.say(f"computed on this machine: {outside[0]} is outside the project, and only its files travel")
        if outside or not wanted.key:
            return compute_here(stage, report, wanted)
        order = Order.of(stage, wanted)
        shared.ask_patiently(lambda remote: remote.offer(order.inputs), report.check)
        usage = self._try_nodes(order, report)
        outputs = shared.ask_patiently(lambda remote: remote.fetch(stage.name, wanted.key), report.check)
        if outputs is None:
            raise LostError(f"{stage.name}: DVC's remote lacks what a node computed: run again")
        return Computed(usage, Delivery(Verdict.RAN if usage else Verdict.RESTORED, outputs))

    def _try_nodes(self, order: Order, report: StageReport) -> Usage | None:
        """Have nodes make a result, until one has; return what that cost, None where it was found."""
        for number in range(1, TRIES + 1):
            with self._take(report) as slot:
                try:
                    return self._follow(slot, order, report)
                except (LostError, KilledError) as error:
                    report.say(f"try {number} of {TRIES} on {slot.name} was lost: {error}")
                    # The node may have finished all the same: the remote is the truth.
                    if shared.ask_patiently(lambda remote: remote.has_result(order.key), report.check):
                        return None
                    if number == TRIES:
                        raise
        raise AssertionError

    def close(self) -> None:
        """End what runs on the nodes for this run."""
        for slot in self._slots:
            slot.close()

    @cached_property
    def _packed(self) -> Tree:
        return pack_tree()

    @contextmanager
    def _take(self, report: StageReport) -> Iterator[Slot]:
        """Yield a slot that is free, after waiting for one; the one that was free for longest comes first."""
        with self._changed:
            while not self._free:
                report.check()
                self._changed.wait(CHECK_S)
            slot = self._free.pop(0)
        try:
            yield slot
        finally:
            with self._changed:
                self._free.append(slot)
                self._changed.notify()

    def _follow(self, slot: Slot, order: Order, report: StageReport) -> Usage | None:
        """Compute a stage on a slot and hand on its messages; return what it cost, None where it was found."""
        with self._packing:
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
