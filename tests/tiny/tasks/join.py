from pathlib import Path

from tasks.trace import leave_trace

from tasks.report import Report
from tasks.section import Section


class Join(Section):
    separator: str


def join_texts(changed: list[Path], join: Join, *, out: Path, report: Report) -> None:
    """Join the changed texts; it can be stopped while it waits."""
    texts = [(folder / "text.txt").read_text().strip() for folder in changed]
    report.say(f"{len(texts)} texts")
    leave_trace("join", report)
    (out / "text.txt").write_text(join.separator.join(texts) + "\n")
