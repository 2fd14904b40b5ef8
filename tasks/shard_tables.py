"""What stages note of each shard: what its files contain, and which of them are kept."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from tasks.errors import UserError
from tasks.files import File, choose_shard, list_shard
from tasks.tables import read_rows, write_rows

CHECKED = "checked.jsonl"
Content = TypeVar("Content")


def write_checked(out: Path, files: Sequence[File], contents: Iterable[Any]) -> None:
    """Write a line of JSON for each file of a shard: its name, and the dataclass that says what it contains."""
    with (out / CHECKED).open("w", encoding="utf-8") as table:
        for file, content in zip(files, contents, strict=True):
            table.write(json.dumps({"file": file.name, **asdict(content)}) + "\n")


def read_checked(folders: Iterable[Path], kind: type[Content], wanted: Iterable[File]) -> dict[str, Content]:
    """Return what each of the wanted files contains, by name. Raises UserError when one was not checked."""
    checked: dict[str, Content] = {}
    for folder in folders:
        with (folder / CHECKED).open(encoding="utf-8") as table:
            rows = [json.loads(line) for line in table]
        checked |= {row.pop("file"): kind(**row) for row in rows}
    if lacking := [file.name for file in wanted if file.name not in checked]:
        raise UserError(
            f"{lacking[0]} was not checked, because what was checked is older than the data: run the flow, or "
            "`dvc repro` of this stage, which check the data first."
        )
    return checked


def name_kept(number: int) -> str:
    """Return the name of the table of a shard's files that are kept."""
    return f"kept-{number}.csv"


def write_kept(out: Path, kept: Sequence[File], shards: int) -> None:
    """Write the names of the files that are kept, in a table for each shard."""
    names: list[list[str]] = [[] for _ in range(shards)]
    for file in kept:
        names[choose_shard(file.name, shards)].append(file.name)
    for number, rows in enumerate(names):
        write_rows(out / name_kept(number), ["file"], ({"file": name} for name in rows))


def read_kept(shard: Path, kept: Path) -> list[File]:
    """Return the files of a shard that are kept, in the order of their table."""
    files = {file.name: file for file in list_shard(shard)}
    return [files[row["file"]] for row in read_rows(kept, ["file"])]
