"""The classes and splits of unpacked pictures or sounds, as the names of folders, or of files, say them."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Self

from tasks.errors import UserError
from tasks.files import File
from tasks.splits import name_splits

MAX_NAMED = 5  # folders, classes and files that a message names
NO_CLASS = "not in a class folder"
NOT_UTF8 = "file name: it is not UTF-8; dropped.csv shows its bytes escaped"
# cat.0.jpg and great_pyrenees_12.jpg name their class; IMG_0001.jpg names a camera.
NUMBERED = re.compile(r"(?P<category>.*[^\W\d_])[ ._-]*\(?\d+\)?")
CAMERAS = {"img", "image", "dsc", "dscn", "pxl", "photo", "picture", "frame", "clip", "audio", "sound", "rec", "file"}

Folders = dict[PurePosixPath, tuple[str, str]]
TOP = PurePosixPath()


@dataclass(frozen=True)
class Entry:
    """A file of the archive, with the source's own split ("" if none) and its class ("" if none).

    `name` and `category` are valid UTF-8. `is_utf8` is False where bytes of the name had to be escaped for that.
    `fault` says why the file has no class.
    """

    file: File
    name: str
    split: str
    category: str
    is_utf8: bool
    fault: str = ""


@dataclass(frozen=True)
class Layout:
    """All files, sorted by name, and the classes as (split, category); split is "" without splits.

    `split_folders` are the folders taken for splits, with the split of each.
    """

    entries: list[Entry]
    folders: set[tuple[str, str]]
    split_folders: dict[str, str] = field(default_factory=dict)
    is_named: bool = False

    def describe(self) -> str:
        """Return which folders are splits and which are classes, as a line of text."""
        names = sorted({category for _, category in self.folders})
        classes = f"{len(names)} classes ({shorten(names)})" + (" in the files' names" if self.is_named else "")
        splits = ", ".join(f"{name} ({split})" for name, split in sorted(self.split_folders.items()))
        return f"splits: {splits}; {classes}" if splits else f"no splits; {classes}"


def shorten(names: Sequence[str]) -> str:
    """Return the first few names, and the number of the others."""
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def find_layout(files: Iterable[File], suffixes: Collection[str]) -> Layout:
    """Find the classes of an archive with these files, of which those of interest end in a suffix such as .png.

    Folders without such files, and a chain of folders that each hold a single folder, are skipped. Below them come
    split folders, recognised by a word such as train, Testing or dev in their names, that hold class folders; or class
    folders; or class folders that hold split folders; or files named after their class, cat.0.jpg. Files deeper within
    a class folder belong to that class. Files of a split folder without classes, or with one that the training part
    does not have, have no label. Raises UserError, listing what the archive holds, when it finds no classes.
    """
    tree = _Tree.of(sorted(files, key=lambda file: file.name), suffixes)
    classes, splits = tree.find_classes()
    if not classes:
        return tree.read_file_names(splits, suffixes)
    unlabelled = _find_unlabelled(classes, splits)
    classes = _unify({folder: each for folder, each in classes.items() if folder not in unlabelled})
    entries = [_locate_file(file, classes, {**splits, **unlabelled}) for file in tree.files]
    return Layout(entries, set(classes.values()), _name_folders(splits))


@dataclass(frozen=True)
class _Tree:
    """An archive: its files, what each folder contains, and the folders that hold pictures or sounds, at any depth."""

    files: Sequence[File]
    contents: Mapping[PurePosixPath, set[PurePosixPath]]
    holders: set[PurePosixPath]

    @classmethod
    def of(cls, files: Sequence[File], suffixes: Collection[str]) -> Self:
        """Find the folders of files."""
        contents: dict[PurePosixPath, set[PurePosixPath]] = defaultdict(set)
        holders: set[PurePosixPath] = set()
        for file in files:
            chain = [file.path, *file.path.parents]
            for below, above in pairwise(chain):
                contents[above].add(below)
            holders.update(chain[1:] if file.path.suffix.lower() in suffixes else ())
        return cls(files, contents, holders)

    def find_classes(self) -> tuple[Folders, dict[PurePosixPath, str]]:
        """Return the class folders, and the split folders above or below them."""
        folder = TOP
        while True:
            subfolders = self._list_useful(folder)
            if splits := self._find_splits(subfolders):
                below = {each: self._skip_chain(each) for each in splits}
                found = {each: (split, _name(each)) for top, split in splits.items() for each in below[top]}
                return found, splits
            if len(subfolders) != 1:
                return self._divide({each: ("", _name(each)) for each in subfolders})
            folder = subfolders[0]

    def _find_splits(self, subfolders: Sequence[PurePosixPath]) -> dict[PurePosixPath, str]:
        """Return the split folders among `subfolders`.

        A folder of a class may be named train too: then folders beside it hold pictures and are no splits.
        """
        splits = _split_folders(subfolders)
        others = [each for each in subfolders if each not in splits]
        if any(self._list_useful(each) for each in splits):
            is_split = len(set(splits.values())) > 1 or not any(self._list_useful(each) for each in others)
        else:
            is_split = not others and "train" in splits.values()
        return splits if is_split else {}

    def _skip_chain(self, folder: PurePosixPath) -> list[PurePosixPath]:
        """Return the class folders in a split folder, which may hold a single folder with all of them."""
        top = below = self._list_useful(folder)
        while len(below) == 1:
            below = self._list_useful(below[0])
        return below or top

    def _divide(self, classes: Folders) -> tuple[Folders, dict[PurePosixPath, str]]:
        """Return the split folders in each class folder, if every class folder has nothing else."""
        below = {top: self._list_useful(top) for top in classes}
        splits = {each: split for inner in below.values() for each, split in _split_folders(inner).items()}
        if len(set(splits.values())) < 2 or not all(set(inner) <= set(splits) for inner in below.values()):
            return classes, {}
        return {each: (split, classes[each.parent][1]) for each, split in splits.items()}, splits

    def read_file_names(self, splits: dict[PurePosixPath, str], suffixes: Collection[str]) -> Layout:
        """Return the layout of files that are named after their class. Raises UserError if they are not."""
        entries = [_locate_file(file, {}, splits) for file in self.files]
        media = [entry for entry in entries if entry.file.path.suffix.lower() in suffixes and entry.is_utf8]
        named = [entry for entry in media if entry.split in ("", "train")]
        counts = Counter(_read_class(entry.file.path.stem) for entry in named)
        lost = counts.pop("", 0)
        if len(counts) < 2 or min(counts.values()) < 2 or 10 * lost > len(named):
            raise UserError(self._explain())
        entries = [
            replace(entry, category=name, fault="")
            if (name := _read_class(entry.file.path.stem)) in counts and entry in media
            else entry
            for entry in entries
        ]
        folders = {(entry.split, entry.category) for entry in entries if entry.category}
        return Layout(entries, folders, _name_folders(splits), is_named=True)

    def _list_useful(self, folder: PurePosixPath) -> list[PurePosixPath]:
        """Return the folders in `folder` that hold pictures; all folders if none holds any."""
        # File managers and version control have hidden folders.
        hidden = (".", "__MACOSX")
        folders = self.contents[folder] & self.contents.keys()
        every = sorted(path for path in folders if not path.name.startswith(hidden))
        return [path for path in every if path in self.holders] or ([] if folder in self.holders else every)

    def _explain(self) -> str:
        folder = TOP
        while len(subfolders := self._list_useful(folder)) == 1:
            folder = subfolders[0]
        contents = sorted(_name(path) for path in self.contents[folder])
        path = _to_utf8(folder)
        return (
            "No class folders found: "
            f"{'the top of the archive' if path == '.' else f'the only folder with examples, {path},'} "
            f"contains {'no folder, ' * (not subfolders)}only {shorten(contents) or 'nothing'}. The archive must "
            "contain a folder for each class, or train, val and test with a folder for each class in each of them, or "
            "files named after their class (cat.1.jpg, dog.1.jpg). Sort the files into folders named after their "
            "classes, two or more."
        )


def _split_folders(folders: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    splits = name_splits({path.name for path in folders})
    return {path: split for path in folders if (split := splits[path.name])}


def _find_unlabelled(classes: Folders, splits: Mapping[PurePosixPath, str]) -> dict[PurePosixPath, str]:
    """Return the class folders that hold unlabelled files: a split's only one, with a name unknown to the others."""
    lone = {split for split in set(splits.values()) if sum(each == split for each, _ in classes.values()) == 1}
    known = {category.casefold() for split, category in classes.values() if split not in lone}
    if len(known) < 2:
        return {}
    return {
        folder: split
        for folder, (split, category) in classes.items()
        if split in lone and category.casefold() not in known
    }


def _unify(classes: Folders) -> Folders:
    """Return the classes with the spelling of the training part where another split differs in capitals."""
    spelt = {category for split, category in classes.values() if split == "train"}
    by_lower = {category.casefold(): category for category in spelt}
    if len(by_lower) < len(spelt):
        return classes
    return {
        folder: (split, by_lower.get(category.casefold(), category)) if category not in spelt else (split, category)
        for folder, (split, category) in classes.items()
    }


def _locate_file(file: File, classes: Folders, splits: Mapping[PurePosixPath, str]) -> Entry:
    name = _to_utf8(file.path)
    is_utf8 = name == file.name
    folder = next((parent for parent in file.path.parents if parent in classes or parent in splits), None)
    if folder is None:
        return Entry(file, name, "", "", is_utf8, NO_CLASS)
    if folder in classes:
        return Entry(file, name, *classes[folder], is_utf8)
    is_above = any(folder in each.parents for each in classes)
    fault = NO_CLASS if is_above else f"unlabelled: the folder {_to_utf8(folder)} has no classes"
    return Entry(file, name, splits[folder], "", is_utf8, fault)


def _read_class(stem: str) -> str:
    match = NUMBERED.fullmatch(stem)
    category = unicodedata.normalize("NFC", match["category"]) if match else ""
    return "" if category.lower() in CAMERAS else category


def _name_folders(splits: Mapping[PurePosixPath, str]) -> dict[str, str]:
    return {_name(folder): split for folder, split in splits.items()}


def _name(path: PurePosixPath) -> str:
    """Return the name of a folder or file as valid UTF-8, with composed accents, as a Mac does not write them."""
    return unicodedata.normalize("NFC", _to_utf8(PurePosixPath(path.name)))


def _to_utf8(name: PurePosixPath) -> str:
    return name.as_posix().encode("utf-8", "backslashreplace").decode()
