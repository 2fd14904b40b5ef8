"""A page in a real Chromium without a screen: what it says on its console, and whom it asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlparse

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Debian's name, and that of Google's own, which GitHub's machines have.
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here: `apt-get install chromium`")
PHONE = (390, 844)
DESK = (1280, 900)


@dataclass
class Opened:
    """A page, with the errors on its console and the addresses that it asked, but for those it holds itself."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def check_quiet(self) -> None:
        """Fail when there was an error, or anything but loopback was asked."""
        assert self.errors == []
        assert {urlparse(url).hostname for url in self.asked} == {"127.0.0.1"}


@contextmanager
def open_page(address: str, *, size: tuple[int, int] = DESK, dark: bool = False) -> Iterator[Opened]:
    """Open a page in a browser of its own, its window `size` css pixels."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        width, height = size
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            is_mobile=size == PHONE,
        )
        opened = Opened(page)
        page.on("console", lambda said: opened.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("request", lambda request: _note_asked(opened, request.url))
        page.goto(address)
        yield opened
        browser.close()


def _note_asked(opened: Opened, url: str) -> None:
    if urlparse(url).scheme not in ("data", "blob"):
        opened.asked.append(url)
