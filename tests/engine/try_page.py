"""Helpers that start, use and stop the try page as a user does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser import Opened

STARTS_S = 120
ANSWERS_MS = 120_000


@contextmanager
def serve_page(project: Path, flow: str, log: Path, **env: str) -> Iterator[str]:
    """Run `python -m flows try FLOW` and yield the address that it prints; Ctrl-C must end it well."""
    with log.open("w") as file:
        command = [sys.executable, "-m", "flows", "try", flow]
        server = subprocess.Popen(command, cwd=project, env=os.environ | env, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline_s = time.monotonic() + STARTS_S
        while not (found := re.search(r"http://\S+", log.read_text())):
            assert server.poll() is None and time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.1)
        yield found[0]
        server.send_signal(signal.SIGINT)
        assert server.wait(STARTS_S) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        server.kill()
        server.wait()


def put(opened: Opened, given: Path | str) -> None:
    """Give the page a file or a text."""
    if isinstance(given, Path):
        opened.page.locator("input[type=file]").set_input_files(str(given))
        opened.page.get_by_text(given.stem).first.wait_for()
    else:
        opened.page.locator("textarea").fill(given)


def send(opened: Opened) -> None:
    """Click, and wait for an answer or a refusal."""
    opened.page.get_by_role("button", name="Ask").click()
    opened.page.locator(".contender, .refusal").first.wait_for(timeout=ANSWERS_MS)


def read_shares(opened: Opened, alias: str) -> list[str]:
    """Return each class with its probability, as the page shows what a version answered, the folded ones too."""
    rows = opened.page.locator(f".contender[data-alias={alias}] li")
    return [f"{row.locator('.label').text_content()} {row.locator('.share').text_content()}" for row in rows.all()]
