import importlib
from pathlib import Path

from tasks.trace import leave_trace

from tasks.section import Section


class Member(Section):
    mark: str
    before: str
    gap: str

    def modules(self) -> tuple[str, ...]:
        return (f"tasks.members.{'upper' if self.mark == '!' else 'reverse'}",)


def change_text(text: Path, member: Member, *, times: int, out: Path) -> None:
    """Change the text as the member says."""
    words = (text / "text.txt").read_text().strip()
    (name,) = member.modules()
    leave_trace(f"change-{name.rpartition('.')[2]}")
    changed = importlib.import_module(name).change(words)
    (out / "text.txt").write_text(member.before + member.gap.join([changed + member.mark] * times) + "\n")
