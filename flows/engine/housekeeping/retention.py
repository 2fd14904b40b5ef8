"""Decides which of MLflow's runs are kept, with the md5s of their data, and which can be deleted."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from mlflow.entities import LoggedModel, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.engine.cache.unused import read_lock_md5s
from flows.engine.drivers.recorder import LOCK
from flows.engine.errors import EngineError
from flows.engine.registry.versions import Registry, Version
from flows.engine.tags import CACHED, DATA_MD5, GATE, INPUT_MD5, JOURNAL, OUTPUT_MD5, PARENT_RUN, STAGE

DAY_MS = 24 * 3600 * 1000
# Tags, or prefixes of tags, whose value is the md5 of data.
MD5_TAGS = (OUTPUT_MD5, INPUT_MD5, DATA_MD5)
A_PAGE = 1000


@dataclass(frozen=True)
class Retention:
    """The runs and versions to keep, and the old ones to delete; `foreign` counts old runs with files elsewhere."""

    client: MlflowClient
    kept: Mapping[str, Run]
    old: Mapping[str, Run]
    foreign: int
    kept_versions: Sequence[Version]
    old_versions: Sequence[Version]

    @classmethod
    def decide(cls, client: MlflowClient, *, root: Path, days: int, present: set[str]) -> Retention:
        """Decide for every run of the project.

        It keeps the runs younger than `days`; the runs of every champion, past champion, newest challenger and version
        that a user registered, with their flows' runs and the runs that these link; and the runs that made the current
        outputs, which have an md5 in `present`.
        """
        versions, needed = _list_versions(Registry(client))
        runs = {run.info.run_id: run for run in _list_runs(client)}
        since_ms = time.time() * 1000 - days * DAY_MS
        young = {id for id, run in runs.items() if run.info.lifecycle_stage == "active" and not _ended(run, since_ms)}
        kept = _close_over(runs, (young | needed) & runs.keys())
        kept |= {id for id, run in runs.items() if run.data.tags.get(OUTPUT_MD5) in present}
        # Runs that other projects logged to the same store are kept.
        old = {id: run for id, run in runs.items() if id not in kept and JOURNAL in run.data.tags}
        past = {id: run for id, run in old.items() if _ended(run, since_ms)}
        here = {id: run for id, run in past.items() if not _lies_elsewhere(run.info.artifact_uri, root)}
        kept_versions = [version for version in versions if version.run_id not in here]
        old_versions = [version for version in versions if version.run_id in here]
        foreign = len(past) - len(here)
        return cls(client, {id: runs[id] for id in kept}, here, foreign, kept_versions, old_versions)

    def list_md5s(self) -> set[str]:
        """Return the md5s that the kept runs name, in their dvc.lock and in tags.

        Raises EngineError when the dvc.lock of a flow's run cannot be read, so that its data are unknown.
        """
        all_tags: list[Mapping[str, str]] = [run.data.tags for run in self.kept.values()]
        all_tags += [version.tags for version in self.kept_versions]
        md5s = {value for tags in all_tags for key, value in tags.items() if key.startswith(MD5_TAGS)}
        for run in self.kept.values():
            if JOURNAL in run.data.tags and STAGE not in run.data.tags:
                md5s |= _read_lock(self.client, run)
        return md5s

    def list_models(self) -> list[LoggedModel]:
        """Return the models that the old runs logged."""
        experiments = sorted({run.info.experiment_id for run in self.old.values()})
        found: list[LoggedModel] = []
        token = None
        while experiments:
            page = self.client.search_logged_models(experiments, page_token=token)
            found += [model for model in page if model.source_run_id in self.old]
            token = page.token
            if not token:
                break
        return found


def _list_runs(client: MlflowClient) -> Iterator[Run]:
    """Yield all runs, including deleted ones."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments(view_type=ViewType.ALL)]
    token = None
    while True:
        page = client.search_runs(experiments, run_view_type=ViewType.ALL, max_results=A_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _ended(run: Run, since_ms: float) -> bool:
    """Return whether a run ended before `since_ms`."""
    return run.info.status != "RUNNING" and (run.info.end_time or run.info.start_time) < since_ms


def _list_versions(registry: Registry) -> tuple[list[Version], set[str]]:
    """Return all versions, and the runs of those to keep, which the gate's past challengers are not."""
    versions: list[Version] = []
    needed = set()
    for model in registry.list_models():
        champions = registry.list_champions(model.name)
        for version in registry.list_versions(model.name):
            versions.append(version)
            if GATE not in version.tags or version.aliases or version.number in champions:
                needed.add(version.run_id)
    return versions, needed


def _close_over(runs: Mapping[str, Run], roots: set[str]) -> set[str]:
    """Return the roots with their flows' runs, all stages of these, and the earlier runs that they link."""
    children = defaultdict(set)
    for id, run in runs.items():
        children[run.data.tags.get(PARENT_RUN)].add(id)
    parents = {runs[root].data.tags.get(PARENT_RUN, root) for root in roots}
    kept = roots | parents | {child for parent in parents for child in children[parent]}
    tags = [(key, value) for id in kept & runs.keys() for key, value in runs[id].data.tags.items()]
    return (kept | {value for key, value in tags if key.startswith(CACHED)}) & runs.keys()


def _read_lock(client: MlflowClient, run: Run) -> set[str]:
    """Return the md5s in the dvc.lock that a flow's run stored; a killed run may have stored none."""
    try:
        if LOCK not in [found.path for found in client.list_artifacts(run.info.run_id, str(Path(LOCK).parent))]:
            if run.info.status != "FINISHED":
                return set()
            raise ValueError("it is missing")
        with tempfile.TemporaryDirectory() as folder:
            return read_lock_md5s(Path(client.download_artifacts(run.info.run_id, LOCK, folder)))
    except (ValueError, MlflowException, OSError) as error:
        raise EngineError(
            f"{LOCK} of run {run.info.run_id} ({run.info.run_name}) in MLflow cannot be read ({error}), so it is "
            "unknown which data the run needs: nothing was deleted; restore the file, or delete the run: "
            f"`mlflow runs delete --run-id {run.info.run_id}`"
        ) from error


def _lies_elsewhere(uri: str, root: Path) -> bool:
    """Return whether a run's files are on this machine but outside the project, which may be a copy of another."""
    parts = urlparse(uri)
    local = parts.scheme in ("", "file")
    return local and not Path(url2pathname(parts.path)).resolve().is_relative_to(root.resolve())
