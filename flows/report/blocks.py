"""The building blocks of a report. The page escapes all texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Bar:
    """A cell of a table with a bar behind its text; `share` is 0 to 1."""

    text: str
    share: float


@dataclass(frozen=True)
class Badge:
    """A cell of a table with a state, such as `cached`."""

    text: str


Cell = str | Bar | Badge


@dataclass(frozen=True)
class Table:
    """A table; the columns `figures` are right-aligned. A wide table takes the full width."""

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    figures: Sequence[int] = ()
    title: str = ""
    wide: bool = True


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite chart; a wide chart takes the full width."""

    kind: ClassVar[str] = "chart"
    title: str
    spec: dict[str, Any]
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Tile:
    """One labelled number."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Labelled numbers side by side."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Note:
    """A highlighted line of text."""

    kind: ClassVar[str] = "note"
    text: str
    title: str = ""


@dataclass(frozen=True)
class Exhibit:
    """One example: a picture and a sound as data URLs, or a text, with actual and predicted class."""

    actual: str
    predicted: str
    confidence: str
    picture: str = ""
    sound: str = ""
    text: str = ""
    name: str = ""


@dataclass(frozen=True)
class Gallery:
    """Examples side by side."""

    kind: ClassVar[str] = "gallery"
    title: str
    exhibits: Sequence[Exhibit]
    note: str = ""


@dataclass(frozen=True)
class Sheet:
    """One large picture as a data URL."""

    kind: ClassVar[str] = "sheet"
    title: str
    picture: str
    note: str = ""


Block = Table | Chart | Tiles | Note | Gallery | Sheet


@dataclass(frozen=True)
class Chapter:
    """A chapter of the page, with a heading and blocks; an empty chapter is left out."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    note: str = ""

    @property
    def anchor(self) -> str:
        """The anchor for the page's table of contents."""
        return self.title.lower().replace(" ", "-")
