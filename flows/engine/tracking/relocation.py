"""A project whose folder was renamed: MLflow keeps where files are as absolute paths, which then lead nowhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

MADE_IN = "/mlruns/"
# Where MLflow's tables keep the place of files.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def follow_move(store: Path) -> None:
    """Have the store name the files beside it where it names a folder that is gone; the caller holds the store's lock.

    A folder that is still there may be the one that this project was copied from, and is left as it is named.
    """
    if not store.exists():
        return
    here = store.resolve().parent
    with closing(sqlite3.connect(store)) as connection, connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
        if {table for table, _ in PLACES} <= tables:
            for root in _list_gone(connection, here):
                for table, column in PLACES:
                    # The names come from above, the values are bound.
                    connection.execute(
                        f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?",
                        (f"{here}{MADE_IN}", *_measure(root), f"{root}{MADE_IN}"),
                    )


def _measure(root: str) -> tuple[int, int]:
    """Return where what follows a root's folder of runs begins, counted from 1, and how long that root is."""
    length = len(f"{root}{MADE_IN}")
    return length + 1, length


def _list_gone(connection: sqlite3.Connection, here: Path) -> list[str]:
    """Return the folders of projects that the store names and that are gone, while the same files are here."""
    places = [place for (place,) in connection.execute("select artifact_location from experiments") if place]
    split = [place.rpartition(MADE_IN) for place in places if place.startswith("/") and MADE_IN in place]
    return sorted(
        {
            root
            for root, _, rest in split
            if root != str(here) and not Path(root).exists() and Path(f"{here}{MADE_IN}{rest}").is_dir()
        }
    )
