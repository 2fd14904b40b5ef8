"""The program that computes on a node, in a tree: orders come on standard input, messages go to standard output.

It computes with the project's own engine and records nothing but results in DVC's remote, the entry last. When its
input ends, it stops the stage that it computes, and ends.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, TextIO

from flows.engine import tags
from flows.engine.cache.shared import RemoteAwayError, ask_patiently, send_all
from flows.engine.cache.store import Verdict, Wanted, Work, bring_up_to_date, read_wanted, share
from flows.engine.compute.job import Usage
from flows.engine.compute.messages import pack_error
from flows.engine.compute.process import run_stage
from flows.engine.errors import EngineError
from flows.engine.graph.dvc_yaml import find_stage, read_fingerprints
from flows.engine.graph.stage import Stage
from flows.engine.machine import describe_machine, read_versions
from flows.engine.nodes.checkpoints import Checkpoints
from flows.engine.nodes.node import CORES
from flows.engine.nodes.order import Order
from flows.engine.stop import Stop
from flows.engine.tracking.sampler import INTERVAL_S, Meters

MACHINE_TAGS = (tags.DEVICE, tags.CPU, tags.GPU, tags.PLATFORM)


class Wire:
    """The way back to the driver: a line of JSON for each message."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._sending = threading.Lock()

    def send(self, event: str, **content: Any) -> None:
        """Send one message."""
        with self._sending:
            self._stream.write(json.dumps({"event": event, **content}) + "\n")
            self._stream.flush()


class WireReport:
    """A stage report that sends everything to the driver."""

    def __init__(self, stage: str, wire: Wire, stop: Stop) -> None:
        self._stage, self._wire, self._stop = stage, wire, stop
        self._has_begun = False

    def begin(self, machine: Mapping[str, str]) -> None:
        """Tell the driver that the work begins, and on which machine."""
        here = describe_machine()
        self._wire.send("begin", machine={name: here[name] for name in MACHINE_TAGS})
        self._has_begun = True

    def check(self, *, grace_s: float = 0.0) -> None:
        """Raise StoppedError when the driver asked for a stop at least `grace_s` ago."""
        self._stop.check(self._stage, grace_s=grace_s)

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        """Send the progress."""
        self._wire.send("progress", done=done, total=total, unit=unit, figures=figures)

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Send the metrics of one step."""
        self._wire.send("metrics", figures=dict(figures), step=step)

    def load(self, figures: Mapping[str, float]) -> None:
        """Send one sample of this machine's load, once the stage has begun."""
        if self._has_begun:
            self._wire.send("load", figures=dict(figures))

    def say(self, text: str) -> None:
        """Send one line for the user."""
        self._wire.send("say", text=text)


def main() -> None:
    """Compute the stages that are ordered, one after the other, until standard input ends."""
    if cores := os.environ.get(CORES):
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    wire = Wire(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what libraries print goes to the log
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = Stop()
    threading.Thread(target=_listen, args=(orders, stop), name="driver", daemon=True).start()
    while line := orders.get():
        try:
            usage = _compute(Order(**json.loads(line)), wire, stop)
        except RemoteAwayError as error:
            wire.send("lost", text=str(error), log="")
        except BaseException as error:  # noqa: BLE001 - the driver raises it
            wire.send("failed", error=pack_error(error))
        else:
            wire.send("done", usage=vars(usage) if usage else None)


def _listen(orders: queue.SimpleQueue[str], stop: Stop) -> None:
    for line in sys.stdin:
        orders.put(line)
    stop.ask()
    orders.put("")


def _compute(order: Order, wire: Wire, stop: Stop) -> Usage | None:
    """Make the ordered stage's result be in DVC's remote; return what it cost, None when it was there already."""
    order.refuse_other_versions(read_versions())
    report = WireReport(order.stage, wire, stop)
    ask_patiently(lambda remote: remote.bring(order.inputs), report.check)
    (stage,) = read_fingerprints([find_stage(order.stage)])
    if read_wanted(stage).key != order.key:
        raise EngineError(
            f"{order.stage}: this node would compute another result than was asked for: its code, params or inputs "
            "differ from the driver's: run again"
        )
    used: list[Usage] = []

    def compute(wanted: Wanted) -> None:
        with Checkpoints(stage.name, order.key, report), watch_load(report) if stage.learns else nullcontext():
            used.append(run_stage(stage, report))

    work = Work(
        compute,
        on_wait=lambda: report.say("waiting: another run computes this stage on this node"),
        check=report.check,
        force=order.force,
        has_lease=False,
    )
    outcome = bring_up_to_date(stage, work)
    _send(stage)
    return used[0] if outcome.verdict is Verdict.RAN else None


@contextmanager
def watch_load(report: WireReport) -> Iterator[None]:
    """Report this machine's load each second, as the driver's sender samples that of its own."""
    ended = threading.Event()

    def watch() -> None:
        meters = Meters.open()
        while not ended.wait(INTERVAL_S):
            report.load(meters.read().figures)

    watching = threading.Thread(target=watch, name="load", daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def _send(stage: Stage) -> None:
    share(stage)
    if send_all():
        raise RemoteAwayError("DVC's remote took no result; the node keeps it")


if __name__ == "__main__":
    main()
