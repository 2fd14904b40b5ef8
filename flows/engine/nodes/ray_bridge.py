"""Ray in a process of its own: requests on standard input, events on standard output, as lines of JSON.

A minute after a cluster's head is gone, Ray ends every process that holds it, without an exception. That process must
not be the driver. So a machine that uses no Ray nodes needs no Ray.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from flows.engine.nodes import node
from flows.engine.nodes.membership import FOLDER
from flows.engine.nodes.ray_node import SLOTS

LOOK_S = 1.0
WELCOME_S = 20.0


class Slot:
    """One node's place for one stage at a time; it lives in a process of Ray's on that node."""

    def __init__(self, number: int, count: int, gpus: int) -> None:
        nodes = os.environ.get(FOLDER)
        folder = (Path(nodes) if nodes else Path.home() / ".cache" / "trifold" / "nodes") / f"node{number + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        self._node = node.Node(folder, node.limit(number, count, [str(index) for index in range(gpus)]))

    def compute(self, order: str, tree: str, archive: bytes) -> Generator[str]:
        """Compute a stage, as `node.Node.compute`."""
        yield from self._node.compute(order, tree, archive)

    def stop(self) -> None:
        """Stop the stage at its next batch."""
        self._node.stop()


class Bridge:
    """The slots of a cluster, and the stages under way on them."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what Ray prints goes to the log
        self._telling = threading.Lock()
        self._changing = threading.Lock()  # of the places: each that is waited for has a thread
        self._places: dict[str, _Place] = {}  # by name
        self._trees: dict[str, Any] = {}  # Ray's references to archives, by the tree's name
        self._running: dict[int, _Place] = {}  # of each stage under way, by the request's number

    def tell(self, event: str, **content: Any) -> None:
        """Send one event to the driver."""
        with self._telling:
            self._out.write(json.dumps({"event": event, **content}) + "\n")
            self._out.flush()

    def watch(self) -> None:
        """Tell which slots come and go, for as long as this process lives."""
        welcomes = self._look()
        deadline = time.monotonic() + WELCOME_S
        for welcome in welcomes:
            welcome.join(max(0.0, deadline - time.monotonic()))
        self.tell("ready")
        while True:
            time.sleep(LOOK_S)
            self._look()

    def do(self, request: dict[str, Any]) -> None:
        """Begin or stop a stage."""
        number = request["id"]
        match request["do"]:
            case "compute":
                self._begin(number, request)
            case "stop" if number in self._running:
                self._running[number].actor.stop.options(concurrency_group="stop").remote()
            case "abandon" if number in self._running:
                place = self._running.pop(number)
                self._forget(place)  # it comes again when it answers
                ray.kill(place.actor)

    def _look(self) -> list[threading.Thread]:
        """Forget the slots of nodes that are gone; return the threads that wait for the slots of new ones."""
        living = {found["NodeID"]: found for found in ray.nodes() if found["Alive"]}
        with self._changing:
            gone = [place for place in self._places.values() if place.node not in living]
        for place in gone:
            self._forget(place)
        with self._changing:
            known = {place.node for place in self._places.values()}
            new = [place for node_id in living.keys() - known for place in self._add_places(living[node_id])]
        welcomes = [threading.Thread(target=self._welcome, args=(place,), daemon=True) for place in new]
        for welcome in welcomes:
            welcome.start()
        return welcomes

    def _add_places(self, found: dict[str, Any]) -> list[_Place]:
        resources = found["Resources"]
        # A node that another program started has no such resource: it computes one stage at a time.
        count = int(resources.get(SLOTS, 1 if resources.get("CPU") else 0))
        places = []
        for number in range(count):
            name = self._choose_name(found["NodeManagerHostname"])
            args = (number, count, int(resources.get("GPU", 0)))
            place = self._places[name] = _Place(name, found["NodeID"], found["NodeManagerAddress"], args)
            places.append(place)
        return places

    def _welcome(self, place: _Place) -> None:
        """Tell that a slot came once it answers: for half a minute, Ray lists nodes that have died."""
        try:
            place.start_actor()
            ray.get(place.actor.__ray_ready__.remote())
        except RayError:
            self._forget(place)
        else:
            self.tell("came", slot=place.name, address=place.address)

    def _forget(self, place: _Place) -> None:
        with self._changing:
            is_here = self._places.get(place.name) is place
            if is_here:
                del self._places[place.name]
        if is_here:
            self.tell("left", slot=place.name)

    def _choose_name(self, host: str) -> str:
        names = [host, *(f"{host}-{number}" for number in range(2, len(self._places) + 2))]
        return next(name for name in names if name not in self._places)

    def _begin(self, number: int, request: dict[str, Any]) -> None:
        if request["content"]:
            self._trees[request["tree"]] = ray.put(base64.b64decode(request["content"]))
        place = self._places.get(request["slot"])
        if place is None:
            self._tell_loss(number, "the node is gone")
            return
        self._running[number] = place
        call = place.actor.compute.options(num_returns="streaming")
        lines = call.remote(request["order"], request["tree"], self._trees[request["tree"]])
        threading.Thread(target=self._follow, args=(number, place, lines), daemon=True).start()

    def _follow(self, number: int, place: _Place, lines: Any) -> None:
        """Tell each line of a stage, or how Ray lost it; a slot that lost one comes again when it answers."""
        try:
            for line in lines:
                self.tell("line", id=number, line=ray.get(line))
        except RayError as error:
            self._forget(place)
            self._tell_loss(number, f"Ray says: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
        finally:
            self._running.pop(number, None)

    def _tell_loss(self, number: int, text: str) -> None:
        self.tell("line", id=number, line=json.dumps({"event": "lost", "text": text, "log": ""}))


@dataclass
class _Place:
    """A slot as seen from here: Ray's id of its node, the arguments of `Slot`, and Ray's handle of it."""

    name: str
    node: str
    address: str
    args: tuple[int, int, int]
    actor: Any = None

    def start_actor(self) -> None:
        """Begin to start the slot's process on its node."""
        where = NodeAffinitySchedulingStrategy(self.node, soft=False)
        made = ray.remote(concurrency_groups={"stop": 1})(Slot)
        self.actor = made.options(num_cpus=0, max_restarts=0, scheduling_strategy=where).remote(*self.args)


def main() -> None:
    """Serve one driver, until standard input ends."""
    bridge = Bridge()
    ray.cloudpickle.register_pickle_by_value(node)  # a node need not have the project
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR", configure_logging=False)
    threading.Thread(target=bridge.watch, daemon=True).start()
    for line in sys.stdin:
        bridge.do(json.loads(line))
    ray.shutdown()


if __name__ == "__main__":
    main()
