"""The location of MLflow's store, and how the project's processes open it."""

from __future__ import annotations

import os
import re
import sqlite3
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from flows.engine.console import say
from flows.engine.errors import EngineError
from flows.engine.locks import hold_lock
from flows.engine.machine import set_quiet_environment
from flows.engine.redact import strip_secrets
from flows.engine.tracking.journal import start_sender, wait_sent
from flows.engine.tracking.outbox import list_journals
from flows.engine.tracking.relocation import follow_move

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

WHY_CHARS = 300
# What MLflow and Alembic say of a database whose tables are those of another version.
OTHER_SCHEMA = re.compile("out-of-date database schema|Can't locate revision")
# On a busy machine it takes a sender, which is nice, long to import MLflow; trouble with the store ends the wait.
SEND_S = 120.0
LOCAL_FILE = Path("mlflow.db")
OWN_STORE = f"sqlite:///{LOCAL_FILE}"
STORE_LOCK = Path(".trifold/store.lock")
# Shorter than MLflow's defaults (120 s per attempt, seven attempts), because journals wait on disk anyway.
_SHORT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


def prepare_environment() -> None:
    """Set the variables that MLflow reads at import: store, short time-outs, no telemetry, no progress bars."""
    os.environ["MLFLOW_TRACKING_URI"] = os.environ.get("MLFLOW_TRACKING_URI") or OWN_STORE
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name, value in _SHORT.items():
        os.environ.setdefault(name, value)
    set_quiet_environment(os.environ)


def open_store() -> MlflowClient:
    """Open the store of the project in this folder; a lock lets only one process create its tables."""
    from mlflow.tracking import MlflowClient

    STORE_LOCK.parent.mkdir(exist_ok=True)
    with hold_lock(STORE_LOCK):
        if os.environ.get("MLFLOW_TRACKING_URI") == OWN_STORE:
            follow_move(LOCAL_FILE)
        client = MlflowClient()
        client.search_experiments(max_results=1)
    return client


def open_existing_store() -> MlflowClient:
    """Open the store for a command that reads or moves an alias. Raises EngineError when there is none yet."""
    _await_sender()
    prepare_environment()
    if os.environ["MLFLOW_TRACKING_URI"] == OWN_STORE and not LOCAL_FILE.exists():
        raise EngineError("there is no mlflow.db yet: a run creates it, such as `python -m flows run audio`")
    try:
        return open_store()
    except list_troubles() as error:
        raise EngineError(
            f"MLflow does not answer: {describe_trouble(error)}; `python -m flows doctor` checks it"
        ) from error


def _await_sender() -> None:
    """Wait until the finished runs have been sent to MLflow; the runs' own commands do not wait for that."""
    if any(not journal.has_writer() for journal in list_journals(Path())):
        say("waiting until the newest runs have been sent to MLflow")
        wait_sent(Path(), start_sender(Path()), timeout_s=SEND_S)


def list_troubles() -> tuple[type[Exception], ...]:
    """Return the exceptions raised when the store does not answer."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, CommandError, sqlite3.DatabaseError, OSError


def fix_schema(address: str = OWN_STORE) -> str:
    """Return the commands for a store that another version of MLflow wrote."""
    return (
        f"`mlflow db upgrade {address}` upgrades an older one; for a newer one use that version, or "
        f"`mv {LOCAL_FILE} mlflow.other`: a run makes a new one"
    )


def is_current_schema(revision: str) -> bool:
    """Return whether the installed MLflow makes a store of this revision; MLflow is not imported, which takes long."""
    folder = Path(str(metadata.distribution("mlflow").locate_file("mlflow/store/db_migrations/versions")))
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    made, replaced = (
        set(re.findall(rf'^{name} = "(\w+)"', text, re.MULTILINE)) for name in ("revision", "down_revision")
    )
    return revision in made - replaced


def describe_trouble(error: Exception) -> str:
    """Return the store's address and the error in one line without secrets, with the way out if it is known."""
    reason, address = " ".join(str(error).split())[:WHY_CHARS], os.environ["MLFLOW_TRACKING_URI"]
    if OTHER_SCHEMA.search(reason):
        reason = f"{reason.partition('. ')[0]}: another version of MLflow wrote it. {fix_schema(address)}"
    other = "" if address == OWN_STORE else "; `unset MLFLOW_TRACKING_URI` chooses the project's own store"
    return strip_secrets(f"{address}: {reason}{other}")
