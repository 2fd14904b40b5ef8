from pathlib import Path

from tasks.trace import leave_trace

from tasks.section import Section


class Join(Section):
    separator: str


def join_texts(changed: list[Path], join: Join, *, out: Path) -> None:
    """Join the changed texts."""
    texts = [(folder / "text.txt").read_text().strip() for folder in changed]
    leave_trace("join")
    (out / "text.txt").write_text(join.separator.join(texts) + "\n")
