"""Processes that outlive the process that starts them."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.engine.machine import Identity, identify

POLL_S = 0.05
# The shell ends at once, so the new process is no child of this one: it leaves no zombie and gets no Ctrl-C.
_LAUNCH = 'log="$0"; "$@" </dev/null >>"$log" 2>&1 & echo $!'


def launch(command: Sequence[str], *, folder: Path, env: Mapping[str, str], log: Path) -> Identity:
    """Start `command` in `folder`, in a session of its own; its output is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    shell = subprocess.run(
        ["/bin/sh", "-c", _LAUNCH, str(log.resolve()), *command],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    return identify(int(shell.stdout))


def list_group(leader: Identity) -> list[Identity]:
    """Return the processes in the process group of `leader`, itself included; none when it has ended."""
    if leader.is_gone():
        return []
    return _list_group(os.getpgid(leader.pid))


def list_children(parent: Identity) -> list[Identity]:
    """Return the running child processes of `parent`; none when it has ended."""
    import psutil

    if parent.is_gone():
        return []
    return [child for process in psutil.Process(parent.pid).children() if (child := identify(process.pid)).started]


def list_ports(process: Identity) -> set[int]:
    """Return the TCP ports on which a process of the same user listens."""
    return {socket.laddr.port for socket in _list_sockets(process) if socket.status == "LISTEN"}


def list_connections(process: Identity) -> list[tuple[int, int]]:
    """Return the local and the remote port of each open TCP connection of a process of the same user."""
    open_ones = (socket for socket in _list_sockets(process) if socket.status == "ESTABLISHED")
    return [(socket.laddr.port, socket.raddr.port) for socket in open_ones]


def _list_sockets(process: Identity) -> list[Any]:
    import psutil

    try:
        return psutil.Process(process.pid).net_connections("tcp")
    except psutil.Error:
        return []


def stop_group(members: Sequence[Identity], *, patience_s: float) -> bool:
    """Stop the process group of those `members` that still run: SIGTERM first, SIGKILL after `patience_s`.

    Returns whether there was anything to stop.
    """
    living = [member for member in members if not member.is_gone()]
    if not living:
        return False
    group = os.getpgid(living[0].pid)
    _signal(group, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while _list_group(group):
        if time.monotonic() > deadline:
            _signal(group, signal.SIGKILL)
        time.sleep(POLL_S)
    return True


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _list_group(group: int) -> list[Identity]:
    import psutil

    found = []
    for pid in psutil.pids():
        try:
            member = identify(pid) if os.getpgid(pid) == group else None
        except ProcessLookupError:
            continue
        if member and member.started:
            found.append(member)
    return found
