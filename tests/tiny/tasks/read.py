from pathlib import Path

from tasks.near import tidy_text
from tasks.trace import leave_trace

from tasks.section import Section


class Source(Section):
    path: str

    def files(self) -> tuple[str, ...]:
        return (self.path,)


def read_text(source: Source, *, out: Path) -> None:
    """Read the text and tidy it."""
    text = Path(source.path).read_text()
    leave_trace("read")
    (out / "text.txt").write_text(tidy_text(text))
