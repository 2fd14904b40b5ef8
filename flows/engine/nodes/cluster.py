"""Nodes of a Ray cluster, by way of the process that holds Ray (`ray_bridge.py`)."""

from __future__ import annotations

import base64
import itertools
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import suppress

from flows.engine.errors import EngineError
from flows.engine.nodes.membership import LOOPBACK
from flows.engine.nodes.node import ENDINGS, PATIENCE_S
from flows.engine.nodes.pool import Pool
from flows.engine.nodes.tree import Tree
from flows.engine.project import ROOT, make_state_folder

CONNECT_S = 60.0
# A node says something each second; one that says nothing for this long is cut off, or its machine has stopped.
SILENCE_S = 30.0
END_S = 5.0


class Cluster:
    """The slots of the cluster with this head, `HOST:PORT`, which this machine is a node of."""

    def __init__(self, head: str, env: Mapping[str, str]) -> None:
        """`env` are the variables of the process that holds Ray, such as those that name the cluster's token."""
        self._head, self._env = head, {**env}
        if head.startswith(LOOPBACK):
            # Else Ray takes 127.0.0.1 for the machine's outer address, and waits there without end.
            self._env["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        self._slots: dict[str, RaySlot] = {}
        self._sent_trees: set[str] = set()
        self._numbers = itertools.count()
        self._answers: dict[int, queue.SimpleQueue[str]] = {}
        self._is_connected = False
        self._answered = threading.Event()
        self._sending = threading.Lock()
        self._changing = threading.Lock()  # of the slots

    def open(self, pool: Pool) -> None:
        """Connect, and add the slots of the nodes that are there; later ones are added when they come.

        Raises EngineError when the head does not answer, or when no node computes.
        """
        self._pool, self._log = pool, make_state_folder("ray") / "bridge.log"
        with self._log.open("wb") as log:
            self._bridge = subprocess.Popen(
                [sys.executable, "-m", "flows.engine.nodes.ray_bridge", self._head],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # a Ctrl-C reaches the driver only, which then stops the stages
            )
        threading.Thread(target=self._listen, name="ray", daemon=True).start()
        self._answered.wait(CONNECT_S)
        if not self._slots:
            self.close()
            what = "has no node that computes" if self._is_connected else "does not answer"
            raise EngineError(
                f"the pool of {self._head} {what}: `python -m flows nodes status` at its head; log: {self._log}"
            )

    def list_slots(self) -> list[RaySlot]:
        """Return the slots that are there now."""
        return list(self._slots.values())

    def close(self) -> None:
        """End the process that holds Ray; what it computes on nodes ends too."""
        assert self._bridge.stdin is not None
        self._bridge.stdin.close()
        try:
            self._bridge.wait(END_S)
        except subprocess.TimeoutExpired:
            self._bridge.kill()
            self._bridge.wait()

    def ask(self, slot: str, order: str, tree: Tree) -> tuple[int, queue.SimpleQueue[str]]:
        """Have a slot compute a stage; return the request's number, and the queue into which its messages come."""
        number = next(self._numbers)
        answers = self._answers[number] = queue.SimpleQueue()
        with self._sending:
            content = "" if tree.name in self._sent_trees else base64.b64encode(tree.content).decode()
            self._sent_trees.add(tree.name)
            self._write("compute", number, slot=slot, order=order, tree=tree.name, content=content)
        return number, answers

    def tell(self, what: str, number: int) -> None:
        """Send a request about a stage under way to the process that holds Ray."""
        with self._sending:
            self._write(what, number)

    def _write(self, what: str, number: int, **content: str) -> None:
        assert self._bridge.stdin is not None
        with suppress(OSError, ValueError):  # it has ended, and `_listen` says so to all who wait
            self._bridge.stdin.write(json.dumps({"do": what, "id": number, **content}) + "\n")
            self._bridge.stdin.flush()

    def forget(self, number: int) -> None:
        """Take no more messages of a stage."""
        self._answers.pop(number, None)

    def abandon(self, slot: RaySlot, number: int) -> None:
        """Leave a slot that is silent at once; it comes again when it answers."""
        self.tell("abandon", number)
        self._drop(slot.name, slot)

    def _drop(self, name: str, slot: RaySlot | None = None) -> None:
        """Forget a slot, unless another has come under its name, or it never came."""
        with self._changing:
            here = self._slots.get(name)
            if here is None or slot not in (None, here):
                return
            del self._slots[name]
        self._pool.drop(here)

    def _listen(self) -> None:
        assert self._bridge.stdout is not None
        for line in self._bridge.stdout:
            event = json.loads(line)
            match event["event"]:
                case "line":
                    if answers := self._answers.get(event["id"]):
                        answers.put(event["line"])
                case "came":
                    slot = RaySlot(event["slot"], event["address"], self)
                    with self._changing:
                        self._slots[slot.name] = slot
                    self._pool.add(slot)
                case "left":
                    self._drop(event["slot"])
                case "ready":
                    self._is_connected = True
                    self._answered.set()
        self._answered.set()  # it has ended
        for slot in self.list_slots():
            self._pool.drop(slot)
        for answers in list(self._answers.values()):
            answers.put(_pack_loss("the head of the pool is gone"))


class RaySlot:
    """A place for one stage at a time on a node of a cluster."""

    def __init__(self, name: str, address: str, cluster: Cluster) -> None:
        self.name, self.address = name, address
        self._cluster = cluster

    def compute(self, order: str, tree: Tree) -> Generator[str]:
        """Compute a stage on the node."""
        number, answers = self._cluster.ask(self.name, order, tree)
        line = ""
        try:
            while not _is_end(line):
                line = self._wait(answers, number, SILENCE_S)
                yield line
        finally:
            if not _is_end(line):
                self._cluster.tell("stop", number)
                while not _is_end(line):
                    line = self._wait(answers, number, PATIENCE_S)
            self._cluster.forget(number)

    def _wait(self, answers: queue.SimpleQueue[str], number: int, limit_s: float) -> str:
        try:
            return answers.get(timeout=limit_s)
        except queue.Empty:
            self._cluster.abandon(self, number)
            return _pack_loss(f"said nothing for {limit_s:.0f} s")


def _is_end(line: str) -> bool:
    return bool(line) and json.loads(line)["event"] in ENDINGS


def _pack_loss(text: str) -> str:
    return json.dumps({"event": "lost", "text": text, "log": ""})
