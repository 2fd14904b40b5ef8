"""The part of MLflow that journals need: runs by explicit id, in batches, each call safe to repeat."""

import importlib
import logging
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import mlflow
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from flows.engine.machine import Identity
from flows.engine.registry.gate import PREDICTIONS, admit_version, ask
from flows.engine.registry.packing import pack_model
from flows.engine.registry.versions import Registry
from flows.engine.tags import (
    CACHED,
    DECISION,
    EXPERIMENT_KIND,
    FIGURE,
    HOST,
    JOURNAL,
    NOTE,
    OUTPUT_MD5,
    PARENT_RUN,
    PID,
    RUN,
    STAGE,
    STARTED,
)
from flows.engine.tracking.outbox import Event

# With this tag, MLflow's pages open on training runs rather than on GenAI traces.
KIND = {EXPERIMENT_KIND: "custom_model_development"}
NO_RUN = "no earlier run is recorded in this store"
CUT = " … (truncated)"
PARAM_CHARS, TAG_CHARS, KEY_CHARS = 6000, 8000, 250
METRICS_A_BATCH, ENTITIES_A_BATCH = 1000, 100
REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST"}
Entity = TypeVar("Entity", Metric, Param, RunTag)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tracker:
    """MLflow for the replay of journals; every method may be called twice for the same event."""

    client: MlflowClient

    def begin(self, journal: str, opening: Event) -> str:
        """Return the id of the journal's run, which is created unless an earlier attempt created it."""
        found = self._find(f"tags.`{JOURNAL}` = '{journal}'")
        if found:
            return found[0].info.run_id
        tags = {JOURNAL: journal, **self._name_parent(opening["parent"])}
        experiment = self._open_experiment(opening["experiment"])
        run = self.client.create_run(experiment, start_time=opening["time_ms"], tags=tags, run_name=opening["name"])
        return run.info.run_id

    def describe(self, run_id: str, *, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Set params and tags, truncated to MLflow's limits."""
        param_list = [Param(_clean(key), _cut(value, PARAM_CHARS)) for key, value in params.items()]
        tag_list = [RunTag(_clean(key), _cut(value, TAG_CHARS)) for key, value in tags.items()]
        for some_params in _split(param_list, ENTITIES_A_BATCH):
            self._send(run_id, params=some_params)
        for some_tags in _split(tag_list, ENTITIES_A_BATCH):
            self._send(run_id, tags=some_tags)

    def measure(self, run_id: str, events: Iterable[Event]) -> None:
        """Log the metrics of several steps in as few calls as MLflow allows."""
        metrics = [
            Metric(_clean(key), value, event["time_ms"], event["step"])
            for event in events
            for key, value in event["figures"].items()
        ]
        for batch in _split(metrics, METRICS_A_BATCH):
            self._send(run_id, metrics=batch)

    def keep(self, run_id: str, path: Path, folder: str) -> None:
        """Log a file, or a folder's files, into `folder`. Raises OSError when a file arrived with another size."""
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                between = file.relative_to(path).parent.as_posix() if path.is_dir() else "."
                self._keep_file(run_id, file, "/".join(part for part in (folder, between) if part not in ("", ".")))

    def register(self, run_id: str, event: Event, files: Path) -> str:
        """Register a model as a new version, pass it to the gate, and return the gate's decision in one line.

        Raises ValueError or ImportError when the model fails, or its code or judge is missing.
        """
        judge: Any = importlib.import_module(event["judge"])
        registry, predictions = Registry(self.client), files / event["predictions"]
        version = registry.find_made_by([run_id], event["name"])
        output = event["tags"].get(OUTPUT_MD5)
        if version is None and output and (known := registry.find_of_output(output, event["name"])):
            return f"{known.name} version {known.number} was registered from this export before"
        if version is None:
            figures = ask(judge.score_table, predictions) or {}
            figure_tags = {f"{FIGURE}{name}": f"{value:.6g}" for name, value in figures.items()}
            logged = self._log_model(run_id, event, files)
            tags = {RUN: run_id, **figure_tags, **event["tags"]}
            made = mlflow.register_model(logged.model_uri, event["name"], tags=tags)
            version = registry.get_version(made.name, str(made.version))
        decision = admit_version(registry, version, predictions, judge)
        parent = self.client.get_run(run_id).data.tags.get(PARENT_RUN)
        for run in filter(None, (run_id, parent)):
            self.describe(run, params={}, tags={DECISION: decision})
            self._add_notes(run, [f"- {decision}"])
        return decision

    def link(self, run_id: str, cached: Mapping[str, Mapping[str, str]]) -> None:
        """Add the earlier runs of cached stages, found by the given tags, to a run's tags and description."""
        experiment = self.client.get_run(run_id).info.experiment_id
        earlier = {stage: self._find_earlier(experiment, {STAGE: stage, **tags}) for stage, tags in cached.items()}
        self.describe(run_id, params={}, tags={f"{CACHED}{stage}": found for stage, found in earlier.items()})
        pages = {
            stage: f"[run {found[:8]}](#/experiments/{experiment}/runs/{found})" for stage, found in earlier.items()
        }
        pages |= {stage: NO_RUN for stage, found in earlier.items() if found == NO_RUN}
        self._add_notes(run_id, [f"- {stage} was cached: {page}" for stage, page in pages.items()])

    def _find_earlier(self, experiment: str, tags: Mapping[str, str]) -> str:
        wanted = [f"tags.`{_clean(key)}` = '{value}'" for key, value in tags.items()]
        found = self._find(" and ".join([*wanted, "attributes.status = 'FINISHED'"]), experiments=[experiment])
        return found[0].info.run_id if found else NO_RUN

    def end(self, run_id: str, status: str, time_ms: int) -> None:
        """Close a run."""
        self.client.set_terminated(run_id, status, time_ms)

    def close_zombies(self, host: str, waiting: Iterable[str]) -> list[str]:
        """Close as KILLED the runs of `host` whose process is gone, except those of `waiting` journals."""
        waiting = set(waiting)
        running = self._find(f"tags.`{HOST}` = '{host}' and attributes.status = 'RUNNING'", limit=1000)
        gone = [run for run in running if run.data.tags.get(JOURNAL) not in waiting and _is_gone(run)]
        for run in gone:
            self.client.set_terminated(run.info.run_id, "KILLED")
        return [run.info.run_id for run in gone]

    def _log_model(self, run_id: str, event: Event, files: Path) -> LoggedModel:
        """Log a model with its signature, an input example, and its predictions."""
        experiment = self.client.get_run(run_id).info.experiment_id
        logged = self.client.create_logged_model(experiment, event["name"], source_run_id=run_id)
        with tempfile.TemporaryDirectory() as folder:
            model = Model(run_id=run_id, model_id=logged.model_id)
            pack_model(files / event["exported"], Path(folder, "model"), loader=event["loader"], model=model)
            shutil.copyfile(files / event["predictions"], Path(folder, "model", PREDICTIONS))
            self.client.log_model_artifacts(logged.model_id, str(Path(folder, "model")))
        self.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        return logged

    def _add_notes(self, run_id: str, lines: list[str]) -> None:
        """Add lines to a run's description, each once."""
        noted = self.client.get_run(run_id).data.tags.get(NOTE, "").splitlines()
        if new := [line for line in lines if line not in noted]:
            self.describe(run_id, params={}, tags={NOTE: "\n".join([*noted, *new])})

    def _keep_file(self, run_id: str, file: Path, folder: str) -> None:
        self.client.log_artifact(run_id, str(file), folder or None)
        name = f"{folder}/{file.name}".lstrip("/")
        sizes = {found.path: found.file_size for found in self.client.list_artifacts(run_id, folder or None)}
        if sizes.get(name) != file.stat().st_size:
            raise OSError(f"{name} arrived with {sizes.get(name)} of {file.stat().st_size} bytes")

    def _find(self, words: str, *, experiments: list[str] | None = None, limit: int = 1) -> list[Run]:
        """Return the newest matching runs, of all experiments unless some are named."""
        experiments = experiments or [found.experiment_id for found in self.client.search_experiments()]
        newest = ["attributes.start_time DESC"]
        return list(self.client.search_runs(experiments, words, max_results=limit, order_by=newest))

    def _open_experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        return found.experiment_id if found else self.client.create_experiment(name, tags=KIND)

    def _name_parent(self, journal: str | None) -> dict[str, str]:
        found = self._find(f"tags.`{JOURNAL}` = '{journal}'") if journal else []
        return {PARENT_RUN: found[0].info.run_id} if found else {}

    def _send(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        """Send one batch; when MLflow refuses it, send everything except the refused entries."""
        try:
            self.client.log_batch(run_id, metrics, params, tags)
        except MlflowException as error:
            if not is_refusal(error):
                raise
            if len(metrics) + len(params) + len(tags) == 1:
                log.warning("MLflow refused %s: %s", [*metrics, *params, *tags], error.message)
                return
            for half in (slice(0, None, 2), slice(1, None, 2)):
                self._send(run_id, metrics[half], params[half], tags[half])


def is_refusal(error: Exception) -> bool:
    """Return whether MLflow rejected the request for good, rather than failed to answer."""
    return isinstance(error, MlflowException) and error.error_code in REFUSALS


def _is_gone(run: Run) -> bool:
    tags: dict[str, Any] = run.data.tags
    pid = str(tags.get(PID, ""))
    if not pid.isdigit():
        return False
    return Identity(tags[HOST], int(pid), tags.get(STARTED, "")).is_gone()


def _clean(key: str) -> str:
    return re.sub(r"[^\w\-. :/]", "_", key)[:KEY_CHARS]


def _cut(value: str, chars: int) -> str:
    return value if len(value) <= chars else value[: chars - len(CUT)] + CUT


def _split(entities: list[Entity], size: int) -> list[list[Entity]]:
    return [entities[i : i + size] for i in range(0, len(entities), size)]
