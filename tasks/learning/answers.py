"""The answers of an exported model about files or texts, and which files a command line names."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import UserError
from tasks.learning.served import Served
from tasks.report import Report


@dataclass(frozen=True)
class Answer:
    """The most probable classes of a file, or of a text itself, with their probabilities, the most probable first."""

    file: Path | str
    classes: tuple[tuple[str, float], ...]


def ask_model(served: Served, given: Sequence[Path | str], *, top: int) -> list[Answer]:
    """Return the `top` classes of each file or text."""
    return [
        Answer(item, tuple((served.labels[place], float(shares[place])) for place in (-shares).argsort()[:top]))
        for item, shares in zip(given, served.predict_proba(given), strict=True)
    ]


def list_files(
    given: Sequence[str], folder: Path, report: Report, *, kind: str, is_kind: Callable[[Path], bool]
) -> list[Path]:
    """Return the files of these names, from `folder`; of a folder, all files of the `kind` below it.

    Hidden files are left out; so are files of another kind, which `report` says. Raises UserError for a
    path that does not exist, and when no file is left.
    """
    files: list[Path] = []
    for path in (folder / name for name in given):
        if not path.exists():
            raise UserError(f"{path} does not exist: give the path of a file or a folder")
        below = [each for each in sorted(path.rglob("*")) if each.is_file() and not each.name.startswith(".")]
        of_kind = {each for each in below if is_kind(each)}
        if others := Counter(each.suffix.lower() or "without suffix" for each in below if each not in of_kind):
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
            report.say(f"{path.name}: {others.total()} files are left out, because they are no {kind}: {kinds}")
        files += sorted(of_kind) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{', '.join(given)} holds no {kind}: give a file, or a folder with files of that kind")
    return files
