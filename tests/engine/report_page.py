"""A report as a person sees it: opened from disk in a real Chromium, light and dark, at a desk and on a phone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome

from tests.browser import DESK, PHONE, list_complaints, list_requests, show

DRAWN_WITHIN_S = 60.0
LOOK = """
const empty = (chart) => !chart.querySelector("svg .mark-line path, svg .mark-rect path, svg .mark-symbol path");
return {
  charts: document.querySelectorAll(".chart").length,
  undrawn: [...document.querySelectorAll(".chart")].filter((one) => !("drawn" in one.dataset) || empty(one)).length,
  pictures: document.images.length,
  unseen: [...document.images].filter((one) => !one.complete || !one.naturalWidth).length,
  sounds: document.querySelectorAll("audio").length,
  unheard: [...document.querySelectorAll("audio")].filter((one) => !(one.duration > 0)).length,
  width: document.documentElement.scrollWidth,
  paper: getComputedStyle(document.body).backgroundColor,
  sections: [...document.querySelectorAll("h2")].map((one) => one.textContent),
};
"""


def look_at(chrome: Chrome, page: Path) -> dict[str, Any]:
    """Open a page in each way and fail for what is not as it should be; return what was seen the last time."""
    papers = set()
    for size, scheme in ((DESK, "light"), (DESK, "dark"), (PHONE, "light")):
        list_complaints(chrome), list_requests(chrome)
        show(chrome, page.as_uri(), size=size, scheme=scheme)
        seen = wait_drawn(chrome)
        assert (seen["undrawn"], seen["unseen"], seen["unheard"]) == (0, 0, 0), seen
        assert seen["width"] <= size[0], seen
        assert list_complaints(chrome) == []
        assert list_requests(chrome) == [page.as_uri()]
        papers.add(seen["paper"])
    assert len(papers) == 2, "dark looks as light does"
    return seen


def wait_drawn(chrome: Chrome) -> dict[str, Any]:
    """Return what stands on the page once all is drawn, or time is up."""
    deadline = time.monotonic() + DRAWN_WITHIN_S
    while True:
        seen: dict[str, Any] = chrome.execute_script(LOOK)
        if not (seen["undrawn"] or seen["unseen"] or seen["unheard"]) or time.monotonic() > deadline:
            return seen
        time.sleep(0.1)


def find_texts(chrome: Chrome, selector: str) -> list[str]:
    """Return the texts of the elements that a CSS selector finds."""
    found: Iterable[str] = chrome.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent.trim())", selector
    )
    return list(found)
