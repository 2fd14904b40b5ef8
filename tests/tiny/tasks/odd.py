"""Tasks that no flow has: each does one thing that a stage's process must bear."""

import ctypes
import errno
import json
import os
import signal
import sys
import time
from fractions import Fraction
from pathlib import Path

from tasks.errors import UserError
from tasks.report import Report
from tasks.section import Need, Section

NATIVE_SLEEP = ctypes.PyDLL(None).sleep  # keeps the interpreter's lock


def grow(megabytes: int, out: Path) -> None:
    (out / "pid.txt").write_text(str(os.getpid()))
    bytearray(megabytes * 1_000_000)[:: 1 << 12] = b"x" * -(-megabytes * 1_000_000 // (1 << 12))


def talk(out: Path, report: Report) -> None:
    report.say("hello")
    report.progress(1, 2, "steps", loss=Fraction(1, 2))
    report.metrics({"loss": Fraction(1, 4)}, step=3)


def wait(out: Path, report: Report) -> None:
    while True:
        report.check()
        time.sleep(0.01)


class Busy(Section):
    cores: float
    gpus: int

    def need(self) -> Need:
        return Need(self.cores, self.gpus)


def meet(compute: Section, place: str, others: int, out: Path) -> None:
    """Leave a file with this process's share of the machine, and stay until there are so many, at most 30 s."""
    share = {"cores": sorted(os.sched_getaffinity(0)), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "met": 0}
    mine, deadline_s = Path(place, str(os.getpid())), time.monotonic() + 30
    mine.write_text("")
    while share["met"] < others and time.monotonic() < deadline_s:
        share["met"] = sum(not path.read_text() for path in Path(place).iterdir())
        time.sleep(0.01)
    time.sleep(0.2)
    mine.write_text(json.dumps(share))


def hang(place: str, out: Path) -> None:
    Path(place).write_text(str(os.getpid()))
    NATIVE_SLEEP(600)


def list_modules(out: Path) -> None:
    (out / "modules.txt").write_text("\n".join(sys.modules))


def fail(how: str, out: Path) -> None:
    match how:
        case "user":
            raise UserError("lr is 7: at most 1")
        case "disk":
            raise OSError(errno.ENOSPC, "No space left on device", "some/file")
        case "code":
            raise ValueError("no such value")
        case "silent":
            raise AssertionError
        case "exit":
            sys.exit("enough")
        case "memory":
            held = bytearray(300_000_000)
            held[:: 1 << 12] = b"x" * -(-len(held) // (1 << 12))
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "leave":
            os._exit(3)
