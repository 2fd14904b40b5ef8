"""The layout of an archive of pictures: a folder for each class, optionally below train, val and test."""

from dataclasses import dataclass
from pathlib import Path

from tasks.errors import UserError

SPLITS = {"train": "train", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}
MAX_NAMED = 5  # folders and files that a message names


@dataclass(frozen=True)
class Entry:
    """A file of the archive: its path, the source's own split ("" if none), its class ("" if none).

    `file` and `category` are valid UTF-8. `is_utf8` is False where bytes of the name had to be escaped for that.
    """

    path: Path
    file: str
    split: str
    category: str
    is_utf8: bool


@dataclass(frozen=True)
class Layout:
    """All files, sorted by path, and the class folders as (split, category); split is "" without splits."""

    entries: list[Entry]
    folders: set[tuple[str, str]]


def find_layout(archive: Path) -> Layout:
    """Find the class folders of an unpacked archive.

    A chain of folders that each hold a single folder is skipped. Below it come either split folders (train; val,
    valid or validation; test) that hold class folders, or the class folders themselves. Pictures deeper within a
    class folder belong to that class. Raises UserError, listing what the archive holds, when it has no class folders.
    """
    classes = _find_classes(archive)
    paths = sorted((path for path in archive.rglob("*") if path.is_file()), key=lambda path: path.as_posix())
    return Layout([_locate_file(path, archive, classes) for path in paths], set(classes.values()))


def _find_classes(archive: Path) -> dict[Path, tuple[str, str]]:
    folder = archive
    while True:
        subfolders = _list_folders(folder)
        split_folders = [path for path in subfolders if path.name.lower() in SPLITS and _list_folders(path)]
        if split_folders:
            return {
                each: (SPLITS[split_folder.name.lower()], _to_utf8(Path(each.name)))
                for split_folder in split_folders
                for each in _list_folders(split_folder)
            }
        if len(subfolders) != 1:
            break
        folder = subfolders[0]
    if not subfolders:
        raise UserError(_describe(archive, folder))
    return {each: ("", _to_utf8(Path(each.name))) for each in subfolders}


def _locate_file(path: Path, archive: Path, classes: dict[Path, tuple[str, str]]) -> Entry:
    split, category = next((classes[parent] for parent in path.parents if parent in classes), ("", ""))
    name = path.relative_to(archive)
    return Entry(path, _to_utf8(name), split, category, _to_utf8(name) == name.as_posix())


def _list_folders(folder: Path) -> list[Path]:
    """Return the folders in `folder` without hidden ones of file managers and version control."""
    hidden = (".", "__MACOSX")
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(hidden))


def _to_utf8(name: Path) -> str:
    return name.as_posix().encode("utf-8", "backslashreplace").decode()


def _describe(archive: Path, folder: Path) -> str:
    contents = sorted(_to_utf8(Path(path.name)) for path in folder.iterdir())
    more = f" and {len(contents) - MAX_NAMED} more" if len(contents) > MAX_NAMED else ""
    path = _to_utf8(folder.relative_to(archive))
    return (
        f"No class folders found: {'the top of the archive' if path == '.' else f'the only folder, {path},'} "
        f"contains no folder, only {', '.join(contents[:MAX_NAMED]) or 'nothing'}{more}. The archive must contain a "
        "folder for each class, or train, val and test with a folder for each class in each of them. Sort the pictures "
        "into folders named after their classes."
    )
