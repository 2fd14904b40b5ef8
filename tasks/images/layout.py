"""Where an archive keeps its classes: a folder for each, perhaps below train, val and test."""

from dataclasses import dataclass
from pathlib import Path

from tasks.errors import UserError

SPLITS = {"train": "train", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}
MAX_NAMED = 5  # folders and files named in a message


@dataclass(frozen=True)
class Place:
    """A file of the archive: its path, the source's own split if any, its class, "" when it is in none.

    `file` and `category` are spelt as UTF-8; `is_plain` tells whether that is the name itself.
    """

    path: Path
    file: str
    split: str
    category: str
    is_plain: bool


@dataclass(frozen=True)
class Layout:
    """All files, by path, and the folders of the classes as (split, category); split is "" without splits."""

    places: list[Place]
    folders: set[tuple[str, str]]


def find_layout(archive: Path) -> Layout:
    """Find the class folders of an unpacked archive; raises UserError, saying what is there, when it has none.

    Below the folders that stand alone there are either split folders (train; val, valid or validation; test)
    that hold class folders, or class folders themselves. Pictures deeper within a class folder belong to it.
    """
    classes = _find_classes(archive)
    paths = sorted((path for path in archive.rglob("*") if path.is_file()), key=lambda path: path.as_posix())
    return Layout([_find_place(path, archive, classes) for path in paths], set(classes.values()))


def _find_classes(archive: Path) -> dict[Path, tuple[str, str]]:
    folder = archive
    while True:
        inside = _list_folders(folder)
        halves = [path for path in inside if path.name.lower() in SPLITS and _list_folders(path)]
        if halves:
            return {
                each: (SPLITS[half.name.lower()], _spell(Path(each.name)))
                for half in halves
                for each in _list_folders(half)
            }
        if len(inside) != 1:
            break
        folder = inside[0]
    if not inside:
        raise UserError(_describe(archive, folder))
    return {each: ("", _spell(Path(each.name))) for each in inside}


def _find_place(path: Path, archive: Path, classes: dict[Path, tuple[str, str]]) -> Place:
    split, category = next((classes[parent] for parent in path.parents if parent in classes), ("", ""))
    name = path.relative_to(archive)
    return Place(path, _spell(name), split, category, _spell(name) == name.as_posix())


def _list_folders(folder: Path) -> list[Path]:
    """Return the folders within one, less what file managers and version control hide there."""
    hidden = (".", "__MACOSX")
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(hidden))


def _spell(name: Path) -> str:
    return name.as_posix().encode("utf-8", "backslashreplace").decode()


def _describe(archive: Path, folder: Path) -> str:
    there = sorted(_spell(Path(path.name)) for path in folder.iterdir())
    more = f" and {len(there) - MAX_NAMED} more" if len(there) > MAX_NAMED else ""
    place = _spell(folder.relative_to(archive))
    return (
        "The archive must hold a folder for each class, or train, val and test with a folder for each class in "
        f"them; {'its top' if place == '.' else f'its only folder {place}'} holds no folder but "
        f"{', '.join(there[:MAX_NAMED]) or 'nothing'}{more}. Sort the pictures into folders named as their classes."
    )
