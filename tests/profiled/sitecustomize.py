"""Notes which functions of tasks/ run in a process, and in every process that it starts with this folder in its path.

Each function's first call adds a line to the file that the environment names: its module, its first line, and what its
global names and their attributes stand for.
"""

from __future__ import annotations

import dis
import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

RECORDS = "PROFILED_RECORDS"
TASKS = f"{os.sep}tasks{os.sep}"
FUNCTION = 0x1  # a code object of this flag is a function's, not that of a class or a module

# By their ids, since it takes long to hash a code object; kept, so that no id is used again.
_seen: dict[int, CodeType] = {}


def watch() -> None:
    """Note what runs in this process from now on."""
    # A tracer is told of calls alone, which costs less than a profiler.
    sys.settrace(_note)
    threading.settrace(_note)


def _note(frame: FrameType, event: str, argument: object) -> None:
    code = frame.f_code
    if id(code) in _seen or event != "call":
        return
    _seen[id(code)] = code
    module = str(frame.f_globals.get("__name__"))
    if TASKS in code.co_filename and code.co_flags & FUNCTION and module.startswith("tasks"):
        named = sorted(set(_list_named(code, frame.f_globals)))
        line = json.dumps({"module": module, "line": code.co_firstlineno, "named": named})
        with open(os.environ[RECORDS], "a", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would be profiled too
            file.write(line + "\n")


def _list_named(code: CodeType, known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield module and name of each definition of tasks/ that code names; of a whole module, the name is `*`."""
    found: list[tuple[Any, str]] = []
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in known:
            found.append((known[step.argval], step.argval))
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and found and _is_ours(found[-1][0]):
            found[-1] = (getattr(found[-1][0], step.argval), step.argval)
        else:
            yield from (_name(value, name, known["__name__"]) for value, name in found)
            found = []


def _is_ours(value: Any) -> bool:
    return isinstance(value, ModuleType) and value.__name__.split(".")[0] == "tasks"


def _name(value: Any, name: str, module: str) -> tuple[str, str]:
    if _is_ours(value):
        return value.__name__, "*"
    inner = getattr(value, "__wrapped__", value)
    if isinstance(inner, FunctionType | type) and inner.__module__.split(".")[0] == "tasks":
        return inner.__module__, inner.__qualname__.split(".")[0]
    return module, name


if RECORDS in os.environ:
    if any("spawn_main" in word for word in sys.orig_argv):
        # What a task starts by multiprocessing imports torch anyway, and much faster while it is not watched.
        importlib.import_module("torch")
    watch()
