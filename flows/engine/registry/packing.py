"""Packs an exported model with the code that opens it, so that MLflow can serve it without this project."""

import importlib
import shutil
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow.pyfunc
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature

from flows.engine.errors import is_fixable
from flows.engine.graph.fingerprint import find_files, find_libraries
from flows.engine.project import ROOT
from flows.engine.registry.versions import Version


def pack_model(exported: Path, packed: Path, *, loader: str, model: Model) -> None:
    """Write an MLflow model folder with the exported files and the code of the module `loader`.

    The model predicts an example first, which gives the signature. Nothing is pickled. Raises ValueError when the model
    cannot be opened or fails, or MLflow cannot write it.
    """
    try:
        served: Any = importlib.import_module(loader)._load_pyfunc(str(exported))
        request = served.make_request()
        signature = infer_signature(request, served.predict(request))
    except Exception as error:
        if not is_fixable(error):
            raise
        raise ValueError(f"the exported model fails: {error}") from error
    with TemporaryDirectory() as folder:
        try:
            mlflow.pyfunc.save_model(
                packed,
                loader_module=loader,
                data_path=str(exported),
                code_paths=[str(copy_code(find_files(loader), Path(folder)) / loader.partition(".")[0])],
                mlflow_model=model,
                signature=signature,
                input_example=request,
                # Given explicitly; otherwise MLflow loads the model in another process to infer them.
                pip_requirements=list_requirements(loader),
            )
        except MlflowException as error:
            raise ValueError(f"MLflow cannot write the model: {error.message}") from error


def unpack_model(version: Version, folder: Path) -> Path:
    """Download a version's model into a folder; return the folder of its exported files."""
    packed = Path(download_artifacts(f"models:/{version.name}/{version.number}", dst_path=str(folder)))
    return packed / str(Model.load(packed).flavors["python_function"]["data"])


def copy_code(files: set[str], folder: Path) -> Path:
    """Copy project files into a folder."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def list_requirements(loader: str) -> list[str]:
    """Return the libraries, with installed versions, that the module `loader` and the code that it uses import."""
    known = packages_distributions()
    imported = find_libraries(loader) - sys.stdlib_module_names
    libraries = {library for name in imported for library in known.get(name, [])}
    return [f"{library}=={version(library)}" for library in sorted(libraries)]
