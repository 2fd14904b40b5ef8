"""What a report is made of. Texts may hold anything: the page escapes them."""

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
    """A cell of a table with a word that tells a state, such as `cached`."""

    text: str


Cell = str | Bar | Badge


@dataclass(frozen=True)
class Table:
    """Rows under columns; those whose cells are figures stand to the right. A wide one takes the whole row."""

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    figures: Sequence[int] = ()
    title: str = ""
    wide: bool = True


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite chart; a wide one takes the whole row."""

    kind: ClassVar[str] = "chart"
    title: str
    spec: dict[str, Any]
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Tile:
    """One figure to see at a glance."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Figures side by side."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Note:
    """A line that stands out."""

    kind: ClassVar[str] = "note"
    text: str
    title: str = ""


@dataclass(frozen=True)
class Exhibit:
    """One example: a picture and a sound as data addresses, or a text, with what it is and what it was taken for."""

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
    """One large picture as a data address."""

    kind: ClassVar[str] = "sheet"
    title: str
    picture: str
    note: str = ""


Part = Table | Chart | Tiles | Note | Gallery | Sheet


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own; one without parts is left out."""

    title: str
    parts: Sequence[Part] = field(default_factory=tuple)
    note: str = ""

    @property
    def anchor(self) -> str:
        """The name by which the page's list of contents finds it."""
        return self.title.lower().replace(" ", "-")
