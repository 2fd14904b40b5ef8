"""Repairs MLflow's store after the project's folder was renamed: it holds absolute paths, which are then invalid."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

MADE_IN = "/mlruns/"
# The columns of MLflow's tables that hold paths.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def follow_move(store: Path) -> None:
    """Replace paths to a missing project folder by paths beside the store; the caller holds the store's lock.

    Paths to an existing folder stay: this project may be a copy of that one.
    """
    if not store.exists():
        return
    here = store.resolve().parent
    with closing(sqlite3.connect(store)) as connection, connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
        if {table for table, _ in PLACES} <= tables:
            for root in _list_gone(connection, here):
                for table, column in PLACES:
                    # Table and column names come from the constants above; values are bound.
                    connection.execute(
                        f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?",
                        (f"{here}{MADE_IN}", *_measure(root), f"{root}{MADE_IN}"),
                    )


def _measure(root: str) -> tuple[int, int]:
    """Return the position after a root's folder of runs, counted from 1, and the length of the root."""
    length = len(f"{root}{MADE_IN}")
    return length + 1, length


def _list_gone(connection: sqlite3.Connection, here: Path) -> list[str]:
    """Return the missing project folders in the store whose files exist in this project."""
    places = [place for (place,) in connection.execute("select artifact_location from experiments") if place]
    split = [place.rpartition(MADE_IN) for place in places if place.startswith("/") and MADE_IN in place]
    return sorted(
        {
            root
            for root, _, rest in split
            if root != str(here) and not Path(root).exists() and Path(f"{here}{MADE_IN}{rest}").is_dir()
        }
    )
