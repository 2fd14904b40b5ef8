"""A Python process that forks for each stage. It is run by its path and never imported.

It imports libraries, so that stages need not, but no module of the project: each stage's process
imports those as they are on disk when it starts. It computes nothing, so no OpenMP thread exists
when it forks; OpenBLAS starts threads when it is imported, but ends them itself before each fork.
Its standard input is the socket on which a driver asks for processes; when the socket closes, this process ends.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h
REQUEST_BYTES = 1 << 16
MOST_DESCRIPTORS = 253
# ru_maxrss counts kilobytes, but bytes on macOS.
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


def serve() -> None:
    """Fork for each request, and report to the driver how each process ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # These signals reach all processes of a terminal or a container, but only the driver decides when a stage ends.
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=0)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    listeners: dict[int, Connection] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, REQUEST_BYTES)
            send_ended(listeners)
        if control.fileno() in ready:
            request, descriptors, _, _ = socket.recv_fds(control, REQUEST_BYTES, MOST_DESCRIPTORS)
            if not request:
                return
            pid, listener = fork(json.loads(request), descriptors)
            listeners[pid] = listener
            send(listener, {"pid": pid})


def fork(request: dict[str, Any], descriptors: list[int]) -> tuple[int, Connection]:
    """Import the requested libraries and fork; return the pid, and the pipe on which to report the process's end.

    The descriptors are the channel to the driver, the pipe for its end, and the locks that the process holds as long
    as it runs.
    """
    for name in request["libraries"]:
        importlib.import_module(name)
    gc.freeze()  # so that garbage collection in a child does not copy these pages
    server = os.getpid()
    channel, end, *locks = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(end)
        bind(request["cores"], request["env"])
        become_stage(request["module"], Connection(channel), server)
    for descriptor in (channel, *locks):
        os.close(descriptor)
    return pid, Connection(end, readable=False)


def bind(cores: list[int], env: dict[str, str]) -> None:
    """Bind this process to its share of the machine; no cores: all of them."""
    os.environ.update(env)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def become_stage(module: str, channel: Connection, server: int) -> None:
    """Call `main(channel)` of a project module, and exit. The kernel kills this process when its server ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.path.insert(0, str(Path.cwd()))
    code = 1
    try:
        importlib.import_module(module).main(channel)
        code = 0
    except BaseException:  # noqa: BLE001 - printed as the interpreter prints it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def send_ended(listeners: dict[int, Connection]) -> None:
    """Report each process that has ended: its exit code, negative for a signal, and its peak memory."""
    while listeners:
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        with listeners.pop(pid) as listener:
            code = os.waitstatus_to_exitcode(status)
            send(listener, {"code": code, "peak_bytes": usage.ru_maxrss * MAXRSS_BYTES})


def send(listener: Connection, message: dict[str, int]) -> None:
    """Send one message to a driver's thread, which may have stopped listening."""
    try:
        listener.send_bytes(json.dumps(message).encode())
    except BrokenPipeError:
        return


if __name__ == "__main__":
    serve()
