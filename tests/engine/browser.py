"""A page in headless Chromium: what it says on its console, and whom it asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM} to open pages in")


@dataclass
class Opened:
    """A page, with what went wrong in it and the hosts that it asked."""

    page: Any
    errors: list[str] = field(default_factory=list)
    hosts: set[str | None] = field(default_factory=set)

    def check_quiet(self) -> None:
        """Fail when there was an error, or anything but loopback was asked."""
        assert self.errors == []
        assert self.hosts == {"127.0.0.1"}


@contextmanager
def open_page(address: str) -> Iterator[Opened]:
    """Open a page in a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        opened = Opened(page)
        page.on("console", lambda said: opened.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("request", lambda asked: _note_host(opened, asked.url))
        page.goto(address)
        yield opened
        browser.close()


def _note_host(opened: Opened, url: str) -> None:
    if urlparse(url).scheme not in ("data", "blob"):
        opened.hosts.add(urlparse(url).hostname)
