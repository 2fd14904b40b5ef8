"""The shell commands that README.md and the pages of docs/ show."""

from __future__ import annotations

import re

from tests.project import REPOSITORY

LANGUAGES = {"sh", "text", "python"}
_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read_blocks() -> list[tuple[str, str]]:
    """Return the language and the text of every fenced block, page by page."""
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    return [found for page in pages for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def read_commands() -> list[str]:
    """Return every line of every shell block, without the comment after it."""
    lines = [line for language, text in read_blocks() if language == "sh" for line in text.splitlines()]
    return [command for line in lines if (command := re.split(r"\s+# ", line)[0].strip())]
