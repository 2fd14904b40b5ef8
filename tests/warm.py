"""A Python that has imported the libraries and forks for each command: starting one costs no import of Prefect.

The project's own code is imported by each command anew, as it stands then. Read by nobody but the tests.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

POLL_S = 0.01
MOST_DESCRIPTORS = 1024
LIBRARIES = (
    "dvc.api",
    "dvc.cli",
    "dvc.commands.repro",
    "dvc.commands.status",
    "dvc.dependency.param",
    "dvc.dvcfile",
    "dvc.repo",
    "dvc.stage.run",
    "dvc_data.index",
    "prefect",
    "prefect.flow_engine",
    "prefect.task_engine",
    "psutil",
    "pydantic",
    "rich.progress",
    "rich.table",
    "rich.tree",
    "ruamel.yaml",
    "scmrepo.git",
    "typer",
)


class WarmPython:
    """Starts `python -m MODULE ...` commands by forking."""

    def __init__(self, env: dict[str, str]) -> None:
        self._numbers = itertools.count()
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**os.environ, **env},
        )

    def start(self, argv: list[str], cwd: Path, env: dict[str, str], log: Path) -> int:
        """Start `python -m argv...` in a session of its own; return its pid."""
        return self._ask({"argv": argv, "cwd": str(cwd), "env": env, "log": str(log)})

    def wait(self, pid: int) -> int:
        """Wait for a command; return its exit code, negative for a signal."""
        while (code := self._ask({"poll": pid})) is None:
            time.sleep(POLL_S)
        return code

    def stop(self) -> None:
        """End the server, and what tests that failed have left under way."""
        self._server.communicate()

    def _ask(self, request: dict[str, object]) -> Any:
        assert self._server.stdin is not None and self._server.stdout is not None
        number = next(self._numbers)
        print(json.dumps({"number": number, **request}), file=self._server.stdin, flush=True)
        # A test that was out of time may have left an answer unread.
        while (answer := json.loads(self._server.stdout.readline()))["number"] != number:
            pass
        return answer["answer"]


def serve() -> None:
    """Answer requests, one a line and none late, until standard input ends; then end what was started here."""
    living = set()
    while line := sys.stdin.readline():
        request = json.loads(line)
        answer = None
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            if pid:
                answer = os.waitstatus_to_exitcode(status)
                living.discard(pid)
        else:
            answer = os.fork()
            if answer == 0:
                become(request)
            living.add(answer)
        print(json.dumps({"number": request["number"], "answer": answer}), flush=True)
    for pid in living:
        # Not yet in a group of its own when it was started just now.
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                end(pid, signal.SIGKILL)


def become(request: dict[str, object]) -> None:
    """Turn the forked process into the command asked for."""
    import resource

    reset_signals()
    os.setsid()
    log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    env: Any = request["env"]
    if limit := env.get("TEST_FILE_LIMIT_BYTES"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    module, *arguments = request["argv"]  # type: ignore[misc]
    if module == "dvc":
        fork_stage_commands()
    run_module(module, arguments, str(request["cwd"]), env)


def run_module(module: str, arguments: list[str], cwd: str, env: dict[str, str]) -> None:
    """Be `python -m module arguments...`, and end."""
    import runpy

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [module, *arguments]
    sys.path[0] = cwd
    code = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    except Exception:  # noqa: BLE001 - told as the interpreter tells it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def fork_stage_commands() -> None:
    """Have DVC, which this process is, start a stage's `python -m flows ...` by forking too."""
    import dvc.stage.run

    dvc.stage.run.subprocess = types.SimpleNamespace(Popen=StageCommand, check_output=subprocess.check_output)


class StageCommand:
    """A command that DVC started, as DVC uses `subprocess.Popen`: a child of DVC's process, in its process group."""

    returncode = 0

    def __init__(self, command: list[str], *, cwd: str, env: dict[str, str], **_: object) -> None:
        python, dash, module, *arguments = shlex.split(command[-1])
        assert (python, dash, module) == ("python", "-m", "flows"), command
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.closerange(3, MOST_DESCRIPTORS)
            run_module(module, arguments, cwd, env)

    def communicate(self) -> None:
        """Wait for its end."""
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def reset_signals() -> None:
    """Undo what `nohup` and a shell's `&` have their processes ignore, and these their children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def import_libraries() -> None:
    """Import what the commands import, apart from the project's own code."""
    for name in LIBRARIES:
        importlib.import_module(name)


if __name__ == "__main__":
    if "WARM_NOTHING" not in os.environ:
        import_libraries()
    serve()
