"""Requests to a project's Prefect server without Prefect's client."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

from tests.project import Finished


def ask(record: Path, path: str, **body: object) -> Any:
    """Ask the server that the record of servers names; with a body by POST, else by GET."""
    (port,) = (one["port"] for one in json.loads(record.read_text())["servers"] if one["name"] == "prefect")
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/{path}",
        json.dumps(body).encode() if body else None,
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def read_flow_run(record: Path, done: Finished) -> Any:
    """Return the flow run that a command named when it ended; others may use the same server."""
    return ask(record, f"flow_runs/{find_flow_run(done.output)}")


def find_flow_run(output: str) -> str:
    """Return the id of the flow run that a command named when it ended."""
    named = re.search(r"/runs/flow-run/([0-9a-f-]{36})", output)
    assert named, output
    return named[1]
