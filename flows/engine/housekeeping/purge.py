"""Measures MLflow's runs and models, and deletes them permanently."""

import contextlib
import io
import os
from collections.abc import Callable, Iterable

from mlflow.entities import FileInfo, LoggedModel, Run
from mlflow.tracking import MlflowClient


def weigh_runs(client: MlflowClient, runs: Iterable[Run]) -> int:
    """Return the size of the files of runs, bytes."""
    return sum(_weigh(lambda path, id=run.info.run_id: client.list_artifacts(id, path)) for run in runs)  # type: ignore[misc]


def weigh_models(client: MlflowClient, models: Iterable[LoggedModel]) -> int:
    """Return the size of the files of logged models, bytes."""
    return sum(_weigh(lambda path, id=one.model_id: client.list_logged_model_artifacts(id, path)) for one in models)  # type: ignore[misc]


def can_purge() -> bool:
    """Return whether the store supports permanent deletion: a database does, a server does not."""
    return hasattr(_open_backend(), "_hard_delete_run")


def delete_runs(client: MlflowClient, runs: Iterable[Run], models: Iterable[LoggedModel]) -> None:
    """Delete runs and logged models, and their files if the store supports it."""
    run_ids, model_ids = [run.info.run_id for run in runs], [model.model_id for model in models]
    for run_id in run_ids:
        client.delete_run(run_id)
    for model_id in model_ids:
        client.delete_logged_model(model_id)
    if can_purge():
        _purge(run_ids, model_ids)


def _purge(run_ids: list[str], model_ids: list[str]) -> None:
    """Do what `mlflow gc` does, for these only: the command would also delete every experiment in the trash."""
    from mlflow.cli import _gc_tracking_resources

    with contextlib.redirect_stdout(io.StringIO()):
        _gc_tracking_resources(
            _open_backend(),
            run_ids=run_ids,
            experiment_ids=None,
            logged_model_ids=model_ids,
            older_than=None,
            time_delta=0,
            skip_experiments=True,
            skip_logged_models=False,
        )


def _open_backend() -> object:
    from mlflow.tracking import _get_store

    return _get_store(os.environ["MLFLOW_TRACKING_URI"])


def _weigh(list_files: Callable[[str | None], list[FileInfo]], folder: str | None = None) -> int:
    return sum(_weigh(list_files, found.path) if found.is_dir else found.file_size or 0 for found in list_files(folder))
