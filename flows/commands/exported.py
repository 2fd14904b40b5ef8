"""The exported model that `predict` uses: the champion, another version, or the one in the working tree."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from flows.engine.errors import EngineError
from flows.engine.graph.dvc_yaml import find_export
from flows.engine.project import ROOT
from flows.engine.registry.opening import open_registry
from tasks.learning.served import FILE

LATEST = "`--latest` uses the newest model exported in this working tree"


@dataclass(frozen=True)
class Exported:
    """A model's file, the module that opens it, and a description of the model for the user."""

    model: Path
    loader: ModuleType
    name: str


@contextmanager
def open_exported(flow: str, *, version: str, latest: bool) -> Iterator[Exported]:
    """Yield a flow's champion, the version with this number, or the newest export, registered or not.

    Raises EngineError when there is no such flow, champion or version, or when both options are given.
    """
    artifact, model = find_export(flow)
    if latest:
        if version:
            raise EngineError(f"--version {version} and --latest exclude each other: give only one of them")
        if not (ROOT / artifact.path / FILE).is_file():
            raise EngineError(
                f"there is no exported model in {artifact.path}: run the flow first, `python -m flows run {flow}`"
            )
        yield Exported(ROOT / artifact.path / FILE, model.loader, f"the model in {artifact.path}")
        return
    with tempfile.TemporaryDirectory(prefix="trifold-predict-") as place:
        file, name = _fetch(flow, version, Path(place))
        yield Exported(file, model.loader, name)


def _fetch(flow: str, number: str, folder: Path) -> tuple[Path, str]:
    """Copy a registered version's model into a folder; return its file and its description."""
    try:
        registry = open_registry()
        version = registry.get_version(flow, number) if number else registry.find_champion(flow)
    except EngineError as error:
        raise EngineError(f"{error}; {LATEST}") from error
    if version is None:
        raise EngineError(
            f"{flow} has no champion: choose one with `python -m flows models promote {flow} VERSION`; {LATEST}"
        )
    from flows.engine.registry.packing import unpack_model

    aliases = "".join(f", {alias}" for alias in version.aliases)
    return unpack_model(version, folder) / FILE, f"{flow} version {version.number}{aliases}"
