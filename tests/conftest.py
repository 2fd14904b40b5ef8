"""What all tests share: one Prefect server, and a Python that has the libraries imported."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.engine.servers.server import down, up, where
from tests.warm import WarmPython

# The commands under test write bytecode beside the code, as they do on most machines.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config: pytest.Config) -> None:
    """Give the commands under test temporary files, and with them locks of cores, that no training of yours holds."""
    if not hasattr(config, "workerinput"):  # parallel workers are given it
        folder = Path(tempfile.gettempdir(), f"trifold-tests-{os.getuid()}")
        folder.mkdir(exist_ok=True)
        os.environ["TMPDIR"] = str(folder)


@pytest.fixture(scope="session")
def server_state(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Path]:
    """The file that says where the Prefect server of these tests is; parallel workers share it."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "server"
    root.mkdir(exist_ok=True)
    with (root / "users.lock").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        up(root, ["prefect"])
        yield root / ".trifold/servers.json"
        fcntl.flock(users, fcntl.LOCK_UN)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        # The last one out.
        down(root)


@pytest.fixture(scope="session")
def warm(server_state: Path) -> Iterator[WarmPython]:
    """A Python with the libraries imported; Prefect reads its settings when it is."""
    (server,) = where(server_state.parents[1])
    python = WarmPython({"PREFECT_API_URL": server.api_url, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"})
    yield python
    python.stop()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A file's bytes are no name: an archive's hold the time, so that two workers would collect two sets of tests."""
    return argname if isinstance(val, bytes | str) and len(val) > 80 else None
