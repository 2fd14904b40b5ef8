"""Opens a report from disk in a real Chromium: light and dark mode, desktop and phone sizes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser import DESK, PHONE, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

DRAWN_WITHIN_S = 60.0
LOOK = """() => {
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
}"""


def look_at(report: Path, *selectors: str) -> tuple[dict[str, Any], list[list[str]]]:
    """Open a report in each way and fail for what is not as it should be.

    Returns what was seen the last time, and the texts of the elements that each CSS selector finds.
    """
    papers = set()
    for size, dark in ((DESK, False), (DESK, True), (PHONE, False)):
        with open_page(report.as_uri(), size=size, dark=dark) as opened:
            seen = wait_drawn(opened.page)
            texts = [find_texts(opened.page, selector) for selector in selectors]
        assert (seen["undrawn"], seen["unseen"], seen["unheard"]) == (0, 0, 0), seen
        assert seen["width"] <= size[0], seen
        assert opened.errors == []
        assert opened.asked == [report.as_uri()]
        papers.add(seen["paper"])
    assert len(papers) == 2, "dark looks as light does"
    return seen, texts


def wait_drawn(page: Page) -> dict[str, Any]:
    """Return the page's content when all charts are drawn, or the time is up."""
    deadline = time.monotonic() + DRAWN_WITHIN_S
    while True:
        seen: dict[str, Any] = page.evaluate(LOOK)
        if not (seen["undrawn"] or seen["unseen"] or seen["unheard"]) or time.monotonic() > deadline:
            return seen
        time.sleep(0.1)


def find_texts(page: Page, selector: str) -> list[str]:
    """Return the texts of the elements that a CSS selector finds."""
    return [text.strip() for text in page.locator(selector).all_text_contents()]
