"""The layout of an archive of sounds: a table that lists them, or class folders."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tasks import class_folders
from tasks.audio.sounds import SUFFIXES
from tasks.class_folders import NOT_UTF8, shorten
from tasks.errors import UserError
from tasks.files import File
from tasks.source_tables import choose_tables, find_column, read_header, read_source_table
from tasks.splits import name_splits

if TYPE_CHECKING:
    import pandas as pd

# The names that published tables give to their columns: ESC-50's, UrbanSound8K's, and usual ones.
COLUMNS = {
    "file": ("filename", "slice_file_name", "file_name", "file", "fname", "filepath", "file_path", "path", "audio",
             "audio_file", "wav", "clip"),
    "category": ("category", "class", "class_name", "classname", "label", "labels", "species", "genre", "emotion",
                 "target_name"),
    "target": ("target", "classid", "class_id", "label_id"),
    "fold": ("fold",),
    "group": ("src_file", "fsid", "recording", "source", "speaker", "group"),
    "split": ("split", "subset", "partition"),
    "esc10": ("esc10",),
}  # fmt: skip
SAMPLED_ROWS = 500  # of a table, to find the column with the names of files
MISSING = "missing: no such file in the archive"
LONGEST_NAME_BYTES = 255
TOO_LONG = (
    f"name too long: more than the {LONGEST_NAME_BYTES} bytes that a disk allows; shorten it here and in the archive"
)


@dataclass(frozen=True)
class Clip:
    """A sound: its file, if there is one, the name that the source gives it, and what the source says of it.

    `fault` says why it cannot be used. `fold` and `split` are "" where the source has none; `group` names the recording
    that it comes from.
    """

    file: File | None
    name: str
    category: str
    target: str
    group: str
    fold: str = ""
    split: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Layout:
    """All clips of a source, in its order, and remarks on how it was read."""

    clips: list[Clip]
    remarks: list[str]


def find_layout(files: Sequence[File], *, only_esc10: bool) -> Layout:
    """Find the clips of an archive with these files: those that its table lists, or those of its class folders.

    A table has a column with names of its sound files, and one of classes; ESC-50's, UrbanSound8K's and usual names
    are known. Folds that are counted from 0 are counted from 1. Raises UserError when there is neither, or several
    tables.
    """
    sounds = _index_sounds(files)
    with TemporaryDirectory() as folder:
        saved = {file.name: file.save(Path(folder)) for file in choose_tables(files)}
        tables = _find_tables(saved, sounds)
        if not tables and not only_esc10:
            return _read_folders(files, saved)
    splits = name_splits({table.stem for table in tables})
    if not tables or (len(tables) > 1 and sorted(splits.values()) != sorted({*splits.values()} - {""})):
        raise UserError(_explain_tables(files, [table.name for table in tables]))
    read = [_read_table(table, sounds, only_esc10=only_esc10) for table in tables]
    clips = [
        replace(clip, split=clip.split or splits[table.stem])
        for table, found in zip(tables, read, strict=True)
        for clip in found.clips
    ]
    clips, remarks = _number_folds(clips)
    remarks = [f"table {table.name}: {table.describe()}" for table in tables] + remarks
    used = {clip.file.name for clip in clips if clip.file}
    unlisted = len({file.name for found in sounds.values() for file in found} - used)
    if unlisted:
        which = "that esc10 marks" if only_esc10 else "of the table"
        remarks.append(f"{unlisted} sound file{'s are' if unlisted > 1 else ' is'} named by no row {which}")
    return Layout(clips, list(dict.fromkeys([*remarks, *(text for found in read for text in found.remarks)])))


@dataclass(frozen=True)
class _Table:
    """A table that lists sounds: its name, its rows, which column has which role, and how many files were found."""

    name: str
    rows: pd.DataFrame
    roles: dict[str, str]
    n_found: int

    @property
    def stem(self) -> str:
        """Its name without folders and suffix."""
        return PurePosixPath(self.name).stem

    def describe(self) -> str:
        """Return which column has which role."""
        used = {role: name for role, name in self.roles.items() if role != "esc10"}
        return ", ".join(f"{role} from {name}" if role != name else role for role, name in used.items())

    def list_values(self, role: str) -> list[str]:
        """Return the values of the column with this role, "" where there is none."""
        values: list[str] = self.rows[self.roles[role]].tolist() if role in self.roles else [""] * len(self.rows)
        return values


def _find_tables(saved: Mapping[str, Path], sounds: Mapping[str, list[File]]) -> list[_Table]:
    """Return the tables that list sounds; those without any file of the archive only if no other is there."""
    tables = []
    for name, path in saved.items():
        header = read_header(path)
        is_named = find_column(header, COLUMNS["file"]) is not None
        if len(header) < 2:
            continue
        try:
            rows = read_source_table(path)
        except UserError:
            if is_named:
                raise
            continue
        table = _name_columns(name, rows, sounds)
        if table.n_found or is_named:
            tables.append(table)
    return [table for table in tables if table.n_found] or tables


def _name_columns(table: str, rows: pd.DataFrame, sounds: Mapping[str, list[File]]) -> _Table:
    """Find the roles of a table's columns: by their names; that of the files by its values."""
    names = list(rows.columns)
    found = {name: sum(_last_part(value) in sounds for value in rows[name][:SAMPLED_ROWS]) for name in names}
    roles = {role: name for role, known in COLUMNS.items() if (name := find_column(names, known)) is not None}
    best = max(names, key=lambda name: found[name])
    if found[best]:
        roles = {"file": best} | {role: name for role, name in roles.items() if role != "file" and name != best}
    return _Table(table, rows, roles, found[best])


def _last_part(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _index_sounds(files: Sequence[File]) -> dict[str, list[File]]:
    """Return the sound files by their names, composed, also without the suffix; the least deep first."""
    found = defaultdict(list)
    for file in sorted(files, key=lambda file: (len(file.path.parts), file.name)):
        path = file.path
        if path.suffix.lower() in SUFFIXES and "__MACOSX" not in path.parts and not path.name.startswith("."):
            for name in (path.name, path.stem):
                found[unicodedata.normalize("NFC", name)].append(file)
    return found


def _read_table(table: _Table, sounds: Mapping[str, list[File]], *, only_esc10: bool) -> Layout:
    _check_roles(table, only_esc10=only_esc10)
    if only_esc10:
        marked = table.rows[table.roles["esc10"]].str.lower().isin(("true", "1"))
        table = replace(table, rows=table.rows[marked])
    targets = [_to_whole(value) for value in table.list_values("target")]
    categories = table.list_values("category") if "category" in table.roles else targets
    if "target" not in table.roles:
        numbers = {name: str(number) for number, name in enumerate(sorted({*categories}))}
        targets = [numbers[name] for name in categories]
    splits = name_splits({*table.list_values("split")})
    names, groups = table.list_values("file"), table.list_values("group")
    folds = [_to_whole(fold) for fold in table.list_values("fold")]
    files = [find_sound(name, fold, sounds) for name, fold in zip(names, folds, strict=True)]
    clips = [
        Clip(
            file,
            name,
            category,
            target,
            group or name,
            fault="" if file else _explain_missing(name),
        )
        for file, name, category, target, group in zip(files, names, categories, targets, groups, strict=True)
    ]
    divided = zip(clips, folds, table.list_values("split"), strict=True)
    clips = [replace(clip, fold=fold, split=splits[split]) for clip, fold, split in divided]
    alone = sum(not group for group in groups)
    if "group" in table.roles:
        lacking = f"{alone} clips have no {table.roles['group']}: each is taken for a recording of its own"
    else:
        lacking = (
            "the table has no column of recordings, such as src_file: each clip is taken for a recording of its own"
        )
    return Layout(clips, [lacking] * (alone > 0))


def _explain_missing(name: str) -> str:
    return TOO_LONG if len(PurePosixPath(name).name.encode()) > LONGEST_NAME_BYTES else MISSING


def _check_roles(table: _Table, *, only_esc10: bool) -> None:
    has = f"it has {', '.join(table.rows.columns)}"
    if "category" not in table.roles and "target" not in table.roles:
        raise UserError(
            f"{PurePosixPath(table.name).name} lacks a column with the class of each sound; {has}. Name it category."
        )
    if only_esc10 and "esc10" not in table.roles:
        raise UserError(
            f"{PurePosixPath(table.name).name} lacks the column esc10; {has}. Set clean.only_esc10 to false."
        )


def find_sound(name: str, fold: str, sounds: Mapping[str, list[File]]) -> File | None:
    """Return the file that a table's row names: of several, the one in its fold's folder, else the least deep."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts:
        return None
    found = sounds.get(parts[-1], [])
    exact = [file for file in found if file.path.parts[-len(parts) :] == parts]
    in_fold = [file for file in found if file.path.parent.name in (fold, f"fold{fold}", f"fold_{fold}")]
    return next(iter((exact if len(parts) > 1 else []) or in_fold or found), None)


def _number_folds(clips: list[Clip]) -> tuple[list[Clip], list[str]]:
    """Return the clips with folds from 1, and a remark if the source counts them from 0."""
    numbers = {int(clip.fold) for clip in clips if clip.fold.isascii() and clip.fold.isdigit()}
    if 0 not in numbers:
        return clips, []
    highest = max(numbers)
    renumbered = [
        replace(clip, fold=str(int(clip.fold) + 1)) if clip.fold.isascii() and clip.fold.isdigit() else clip
        for clip in clips
    ]
    return renumbered, [f"the source's folds 0 to {highest} are called 1 to {highest + 1} here"]


def _to_whole(value: str) -> str:
    """Return a number that pandas wrote as 1.0 as 1; other text unchanged."""
    whole, point, zeros = value.partition(".")
    return whole if point and whole.isdigit() and not zeros.strip("0") else value


def _read_folders(files: Sequence[File], tables: Mapping[str, Path]) -> Layout:
    """Return the sounds of class folders, each a recording of its own."""
    try:
        layout = class_folders.find_layout(files, SUFFIXES)
    except UserError as error:
        seen = "; ".join(f"{path.name} has {', '.join(read_header(path))}" for path in list(tables.values())[:3])
        raise UserError(
            "No table lists the sounds by a column filename, with the names of their files, and a column category"
            f"{f' ({seen})' * bool(seen)}, and they are in no class folders. {error}"
        ) from error
    numbers = {name: str(number) for number, name in enumerate(sorted({name for _, name in layout.folders}))}
    clips = [
        Clip(
            file=entry.file,
            name=entry.name,
            category=entry.category,
            target=numbers.get(entry.category, ""),
            group=entry.name,
            split=entry.split,
            fault=entry.fault or ("" if entry.is_utf8 else NOT_UTF8),
        )
        for entry in layout.entries
        if entry.file.path.suffix.lower() in SUFFIXES
    ]
    return Layout(clips, [layout.describe(), "each file is taken for a recording of its own"])


def _explain_tables(files: Sequence[File], tables: Sequence[str]) -> str:
    if not tables:
        contents = shorten(sorted({file.path.parts[0] for file in files})) or "nothing"
        return (
            f"The archive holds no table that lists its sounds (at its top: {contents}), and clean.only_esc10 needs "
            "ESC-50's. Set clean.only_esc10 to false, or source.archive to ESC-50's archive."
        )
    return (
        f"The archive holds {len(tables)} tables that list sounds ({shorten(tables)}). One is needed, or one for each "
        "split, with train, val or test in its name: remove the others."
    )
