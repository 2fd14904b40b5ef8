"""This checkout's part in a pool of nodes: it starts one, joins one, and leaves."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from flows.engine.errors import EngineError
from flows.engine.files import read_last_lines, write_whole
from flows.engine.machine import Identity, name_gpus
from flows.engine.processes import launch, list_group, stop_group
from flows.engine.project import ROOT, STATE, make_state_folder
from flows.engine.servers.server import find_port

LOOPBACK = "127.0.0.1"
USUAL_PORT = 6379
START_S, STOP_S, CONNECT_S, POLL_S = 60.0, 20.0, 5.0, 0.1
LOG_LINES = 10
FOLDER = "TRIFOLD_NODE_FOLDER"  # the variable with the folder of a machine's nodes
TOKEN = STATE / "ray" / "token"
_RECORD = STATE / "ray" / "pool.json"


@dataclass(frozen=True)
class Membership:
    """The address of the pool's head, and the process that is this machine's part of the pool."""

    head: str
    leader: Identity

    @property
    def is_up(self) -> bool:
        """Whether this machine is still in the pool."""
        return not self.leader.is_gone()


def start_pool(listen: str, slots: int | None) -> Membership:
    """Make this machine the head of a pool, with a token of its own."""
    _refuse_second()
    try:
        with socket.socket() as probe:
            probe.bind((listen, 0))
    except OSError as error:
        raise EngineError(f"--listen {listen} is no address of this machine; `hostname -I` lists them") from error
    make_state_folder("ray")
    TOKEN.unlink(missing_ok=True)
    TOKEN.touch(0o600)
    TOKEN.write_text(secrets.token_hex(32))
    return _start(listen, "", slots)


def join_pool(head: str, slots: int | None) -> Membership:
    """Make this machine a node of the pool with this head, `HOST:PORT`."""
    _refuse_second()
    host, _, port = head.rpartition(":")
    if not host or not port.isdecimal():
        raise EngineError(f"{head!r} is no address: give HOST:PORT, as `nodes up` printed it")
    if not TOKEN.exists():
        raise EngineError(
            f"this checkout has no token of the pool: copy {TOKEN.relative_to(STATE.parent)} of the head's checkout to "
            "the same place here"
        )
    try:
        with socket.create_connection((host, int(port)), CONNECT_S) as connection:
            here = connection.getsockname()[0]
    except OSError as error:
        raise EngineError(f"nothing answers at {head}: {error}; `python -m flows nodes status` at the head") from error
    return _start(here, head, slots)


def find_membership() -> Membership | None:
    """Return this checkout's part in a pool; None when it has none."""
    try:
        record = json.loads(_RECORD.read_text())
    except FileNotFoundError:
        return None
    return Membership(record["head"], Identity(**record["leader"]))


def require_membership() -> Membership:
    """Return this checkout's part in a pool; raises EngineError when it has none."""
    found = find_membership()
    if found is None or not found.is_up:
        raise EngineError(
            "this machine is in no pool of nodes: `python -m flows nodes up` starts one, `python -m flows nodes join "
            "HEAD` joins one"
        )
    return found


def leave_pool() -> bool:
    """End this machine's part of the pool, and what runs there for it; return whether there was one."""
    found = find_membership()
    if found is not None and found.is_up:
        members = list_group(found.leader)
        os.kill(
            found.leader.pid, signal.SIGTERM
        )  # Ray's processes hang when all are stopped at once: it knows the order
        deadline = time.monotonic() + STOP_S
        while not found.leader.is_gone() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        stop_group(members, patience_s=1.0)
        was_up = True
    else:
        was_up = False
    _RECORD.unlink(missing_ok=True)
    return was_up


def make_environment() -> dict[str, str]:
    """Return the variables with which a process takes part in the pool."""
    return {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(TOKEN),
        "RAY_USAGE_STATS_ENABLED": "0",
        FOLDER: str(STATE / "nodes"),
    }


def _refuse_second() -> None:
    if find_spec("ray") is None:
        raise EngineError("Ray is not installed: `make nodes` installs the pinned version")
    found = find_membership()
    if found is not None and found.is_up:
        raise EngineError(f"this checkout is in the pool of {found.head}: `python -m flows nodes down` leaves it")


def _start(listen: str, head: str, slots: int | None) -> Membership:
    ready, log = make_state_folder("ray") / "ready", STATE / "ray" / "node.log"
    for path in (ready, log):
        path.unlink(missing_ok=True)
    gpus = len(name_gpus())
    settings = {
        "listen": listen,
        "head": head,
        "port": None if head else find_port(USUAL_PORT),
        "slots": max(1, gpus) if slots is None else slots,
        "gpus": gpus,
        "ready": str(ready),
    }
    program = [sys.executable, "-m", "flows.engine.nodes.ray_node", json.dumps(settings)]
    leader = launch(program, folder=ROOT, env=make_environment(), log=log)
    hint = " (is the token the head's?)" if head else ""
    membership = Membership(_wait_ready(leader, ready, log, hint), leader)
    write_whole({_RECORD: json.dumps({"head": membership.head, "leader": leader.as_dict()})})
    return membership


def _wait_ready(leader: Identity, ready: Path, log: Path, hint: str) -> str:
    deadline = time.monotonic() + START_S
    while not (ready.exists() and ready.read_text()):
        if leader.is_gone() or time.monotonic() > deadline:
            stop_group(list_group(leader), patience_s=STOP_S)
            last = read_last_lines(log, LOG_LINES)
            raise EngineError(f"this machine could not take part in the pool{hint}; the last lines of {log}:\n{last}")
        time.sleep(POLL_S)
    return ready.read_text()
