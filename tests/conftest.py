"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.warm import WarmPython


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmPython]:
    """A Python with the libraries imported."""
    python = WarmPython()
    yield python
    python.stop()
