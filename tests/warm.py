"""A Python that has imported the libraries and forks for each command: starting one costs no import of Prefect.

The project's own code is imported by each command anew, as it stands then. Read by nobody but the tests.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

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
        return self._ask({"wait": pid})

    def stop(self) -> None:
        """End the server."""
        self._server.communicate()

    def _ask(self, request: dict[str, object]) -> int:
        assert self._server.stdin is not None and self._server.stdout is not None
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())


def serve() -> None:
    """Answer requests, one a line, until standard input ends."""
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                become(request)
        print(answer, flush=True)


def become(request: dict[str, object]) -> None:
    """Turn the forked process into the command asked for."""
    import resource
    import runpy

    os.setsid()
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if limit := os.environ.get("TEST_FILE_LIMIT_BYTES"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    module, *arguments = request["argv"]  # type: ignore[misc]
    sys.argv = [module, *arguments]
    sys.path[0] = str(request["cwd"])
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


def import_libraries() -> None:
    """Import what the commands import, apart from the project's own code."""
    for name in LIBRARIES:
        importlib.import_module(name)


if __name__ == "__main__":
    import_libraries()
    serve()
